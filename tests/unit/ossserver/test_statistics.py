"""Counters and the log."""

from benchmarks.ossserver.statistics import LOG_LENGTH, Recorder, RequestRecord


def record(
    key: str = "k", body_bytes: int = 10, client: str = "10.0.0.1", operation: str = "GetObject"
) -> RequestRecord:
    return RequestRecord(0.0, client, operation, "b", key, "", 200, "", body_bytes)


def test_counts() -> None:
    recorder = Recorder()
    recorder.connection()
    recorder.request(record())
    recorder.request(record(client="10.0.0.2"))
    recorder.request(record("other", 5))
    recorder.request(record(operation="ListObjects", body_bytes=0))
    counted = recorder.statistics()
    assert counted.requests == {"GetObject": 3, "ListObjects": 1}
    assert counted.requests_total == 4
    assert counted.statuses == {200: 4}
    assert counted.bytes_sent == 25
    assert counted.bytes_by_object == {"b/k": 20, "b/other": 5}
    assert counted.bytes_by_client == {"10.0.0.1": 15, "10.0.0.2": 10}
    assert counted.requests_by_client == {"10.0.0.1": 3, "10.0.0.2": 1}
    assert counted.connections == 1
    assert [entry.key for entry in counted.log] == ["k", "k", "other", "k"]


def test_a_copy_does_not_change() -> None:
    recorder = Recorder()
    before = recorder.statistics()
    recorder.request(record())
    assert before.requests == {}


def test_reset_and_the_length_of_the_log() -> None:
    recorder = Recorder()
    for _ in range(LOG_LENGTH + 1):
        recorder.request(record())
    assert len(recorder.statistics().log) == LOG_LENGTH
    recorder.reset()
    assert recorder.statistics().requests_total == 0
    assert recorder.statistics().log == ()
