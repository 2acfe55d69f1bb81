"""Counters and the log."""

from benchmarks.ossserver.statistics import LOG_LENGTH, Recorder, RequestRecord


def record(key: str = "k", client: str = "10.0.0.1", operation: str = "GetObject") -> RequestRecord:
    return RequestRecord(0.0, client, operation, "b", key, "", 200, "")


def test_counts() -> None:
    recorder = Recorder()
    recorder.connection()
    recorder.request(record()).add(10)
    recorder.request(record(client="10.0.0.2")).add(10)
    recorder.request(record("other")).add(5)
    recorder.request(record(operation="ListObjects"))
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


def test_what_did_not_go_is_taken_back() -> None:
    recorder = Recorder()
    transfer = recorder.request(record())
    transfer.add(100)
    transfer.add(-40)
    assert recorder.statistics().bytes_by_client == {"10.0.0.1": 60}
    assert [entry.body_bytes for entry in recorder.statistics().log] == [transfer.body_bytes] == [60]


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
