"""Every command against a daemon that only talks: what it asks for, what it prints, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cli import main
from cli.exit_codes import ExitCode
from mows.api import models, peer_answers
from mows.api.services import NodeIdentity
from mows.mount_state import MountState
from tests.contract.fake_daemon import SOURCE, FakeDaemon, Refusal, blob, listing, mount, prewarm, serving
from tests.unit.mows.peer_values import STATISTICS

Run = Callable[..., int]
PEERS = peer_answers.peers(NodeIdentity("node-a", "z1", "1.2.3", 8 << 20, peers_configured=True), STATISTICS)
ERROR = models.WorkFailure(code="origin_denied", message="oss://models: AccessDenied", hint="check the credentials")


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("daemon") / "mows.sock"


@pytest.fixture(scope="module")
def listening(socket: Path) -> Iterator[FakeDaemon]:
    """One server for all tests of this file: starting one takes longer than a test."""
    yield from serving(socket)


@pytest.fixture
def fake(listening: FakeDaemon) -> FakeDaemon:
    listening.reset()
    return listening


@pytest.fixture
def run(socket: Path, fake: FakeDaemon) -> Run:
    return lambda *words: main([*words, "--socket", str(socket)])


class TestMount:
    def test_puts_the_mount_and_returns_when_it_can_be_read(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.mount_script = [mount(MountState.MOUNTING), mount(MountState.MOUNTED)]
        assert run("mount", SOURCE, "/models/qwen3", "--id", "qwen3") == ExitCode.OK
        assert fake.requests[0][0] == "PUT"
        assert fake.requests[0][1].startswith("/v1/mounts/qwen3?wait=")
        assert fake.requests[0][2] == {"source": SOURCE, "mount_path": "/models/qwen3", "warm": False}
        printed = capsys.readouterr()
        assert printed.out == f"mounted: {SOURCE} on /models/qwen3 (9 files, 2.0 GiB)\n"
        assert printed.err.startswith(f"mounting {SOURCE}: 0 % (0 B of 2.0 GiB)\n")

    def test_the_same_target_has_the_same_id_and_another_one_another(self, run: Run, fake: FakeDaemon) -> None:
        fake.mount_script = [mount(MountState.MOUNTED)]
        for target in ("/models/a/b", "/models/a/b/", "/models/a-b"):
            assert run("mount", SOURCE, target) == ExitCode.OK
        ids = [path.split("?")[0].rpartition("/")[2] for _, path, _ in fake.requests]
        assert ids[0] == ids[1] != ids[2]
        assert ids[0].startswith("models-a-b-")

    def test_a_relative_target_is_made_absolute(
        self, run: Run, fake: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        fake.mount_script = [mount(MountState.MOUNTED)]
        run("mount", SOURCE, "models")
        assert fake.requests[0][2]["mount_path"] == str(tmp_path / "models")

    def test_warm_waits_for_warm(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.mount_script = [
            mount(MountState.MOUNTED, warm=True),
            mount(MountState.WARMING, warm=True, local=1 << 30, eta_seconds=75),
            mount(MountState.WARM, warm=True, local=2 << 30),
        ]
        assert run("mount", SOURCE, "/models/qwen3", "--warm") == ExitCode.OK
        printed = capsys.readouterr()
        assert printed.out.startswith("warm: ")
        assert "50 % (1.0 GiB of 2.0 GiB)" in printed.err
        assert "1 min 15 s left" in printed.err

    def test_json_is_the_mount_and_nothing_else(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.mount_script = [mount(MountState.MOUNTING), mount(MountState.MOUNTED)]
        assert run("mount", SOURCE, "/models/qwen3", "--json") == ExitCode.OK
        printed = capsys.readouterr()
        assert json.loads(printed.out)["state"] == "mounted"
        assert printed.err == ""

    @pytest.mark.parametrize("options", [(), ("--warm",)])
    def test_a_failed_mount_ends_with_the_origins_code(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
    ) -> None:
        fake.mount_script = [mount(MountState.FAILED, error=ERROR)]
        assert run("mount", SOURCE, "/models/qwen3", *options) == ExitCode.ORIGIN
        assert capsys.readouterr().err.splitlines()[-2:] == [
            "mows: cannot mount: oss://models: AccessDenied (origin_denied)",
            "hint: check the credentials",
        ]

    def test_a_mount_that_cannot_be_warmed_says_that_it_is_mounted(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.mount_script = [mount(MountState.MOUNTED, warm=True, error=ERROR)]
        assert run("mount", SOURCE, "/models/qwen3", "--warm") == ExitCode.ORIGIN
        assert "mounted on /models/qwen3, but not warm" in capsys.readouterr().err

    def test_a_refresh_that_failed_does_not_fail_the_mount(self, run: Run, fake: FakeDaemon) -> None:
        fake.mount_script = [mount(MountState.MOUNTED, error=ERROR)]
        assert run("mount", SOURCE, "/models/qwen3") == ExitCode.OK

    def test_hidden_keys_are_mentioned(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.mount_script = [mount(MountState.MOUNTED, hidden=3)]
        run("mount", SOURCE, "/models/qwen3")
        assert (
            f"note: 3 keys that no file system can show: `mows ls --hidden {SOURCE}` says why"
            in capsys.readouterr().err
        )


class TestUmount:
    @pytest.mark.parametrize("target", ["/models/qwen3", "/models/qwen3/", "qwen3"])
    def test_finds_the_mount_by_path_or_id(self, run: Run, fake: FakeDaemon, target: str) -> None:
        fake.mounts = {"qwen3": mount(MountState.MOUNTED)}
        assert run("umount", target) == ExitCode.OK
        assert fake.requests[-1][:2] == ("DELETE", "/v1/mounts/qwen3")
        assert fake.mounts == {}

    def test_a_live_mount_goes_before_a_failed_one_of_the_same_path(self, run: Run, fake: FakeDaemon) -> None:
        fake.mounts = {
            "old": mount(MountState.FAILED, id="old", error=ERROR),
            "new": mount(MountState.MOUNTED, id="new"),
        }
        run("umount", "/models/qwen3")
        assert list(fake.mounts) == ["old"]

    def test_files_that_are_still_open_are_mentioned(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.mounts = {"qwen3": mount(MountState.MOUNTED)}
        fake.files_are_open = True
        assert run("umount", "qwen3") == ExitCode.OK
        assert "note: files that are still open are served until they are closed" in capsys.readouterr().err

    def test_json_says_whether_it_is_gone(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.mounts = {"qwen3": mount(MountState.MOUNTED)}
        run("umount", "qwen3", "--json")
        assert json.loads(capsys.readouterr().out) == {"id": "qwen3", "mount_path": "/models/qwen3", "gone": True}

    def test_nothing_there_is_not_found(self, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("umount", "/models/none") == ExitCode.NOT_FOUND
        assert "no mount: /models/none (mount_not_found)" in capsys.readouterr().err


class TestPrewarm:
    def test_starts_and_says_how_to_follow(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run("prewarm", SOURCE, "oss://models/other/", "--lease", "2h") == ExitCode.OK
        assert fake.requests == [("POST", "/v1/prewarms", {"sources": [SOURCE, "oss://models/other/"], "lease": "2h"})]
        assert capsys.readouterr().out == "pending: p1: `mows status` shows how far it is\n"

    def test_waits_by_the_stream_of_events(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.prewarm_streams = [[prewarm("warming", local=1 << 30), prewarm("warm", local=2 << 30)]]
        assert run("prewarm", SOURCE, "--wait") == ExitCode.OK
        printed = capsys.readouterr()
        assert "warming oss://models/qwen3/: 50 % (1.0 GiB of 2.0 GiB)" in printed.err
        assert printed.out == "warm: p1: 9 files, 2.0 GiB (2.0 GiB from the origin)\n"

    def test_what_came_from_peers_is_told_apart(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        counts = models.ByteCounts(total=2 << 30, local=2 << 30, from_peers=3 << 29, from_origin=1 << 29)
        fake.prewarm_streams = [[prewarm("warm", bytes=counts)]]
        assert run("prewarm", SOURCE, "--wait") == ExitCode.OK
        assert "(512.0 MiB from the origin, 1.5 GiB from peers)" in capsys.readouterr().out

    def test_a_stream_that_ends_early_is_asked_for_again(self, run: Run, fake: FakeDaemon) -> None:
        fake.prewarm_streams = [[prewarm("warming")], [prewarm("warm")]]
        assert run("prewarm", SOURCE, "--wait") == ExitCode.OK
        assert fake.prewarm_streams == []

    def test_a_stream_without_events_is_an_error(self, run: Run, fake: FakeDaemon) -> None:
        fake.prewarm_streams = [[]]
        assert run("prewarm", SOURCE, "--wait") == ExitCode.UNREACHABLE

    def test_a_failed_prewarm_ends_with_the_origins_code(self, run: Run, fake: FakeDaemon) -> None:
        fake.prewarm_streams = [[prewarm("failed", error=ERROR)]]
        assert run("prewarm", SOURCE, "--wait") == ExitCode.ORIGIN

    def test_one_that_somebody_cancelled_did_not_succeed(self, run: Run, fake: FakeDaemon) -> None:
        fake.prewarm_streams = [[prewarm("cancelled")]]
        assert run("prewarm", SOURCE, "--wait") == ExitCode.FAILED

    def test_can_be_cancelled(self, run: Run, fake: FakeDaemon) -> None:
        fake.prewarms = {"p1": prewarm("warming")}
        assert run("prewarm", "--cancel", "p1") == ExitCode.OK
        assert fake.prewarms == {}

    def test_this_node_may_be_named(self, run: Run, fake: FakeDaemon) -> None:
        assert run("prewarm", SOURCE, "--nodes", "node-a") == ExitCode.OK

    @pytest.mark.parametrize("nodes", ["all", "node-a,node-b", "node-b"])
    def test_other_nodes_are_refused_before_anything_starts(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str], nodes: str
    ) -> None:
        assert run("prewarm", SOURCE, "--nodes", nodes) == ExitCode.USAGE
        assert f"--nodes: {nodes}: a daemon can prewarm only itself" in capsys.readouterr().err
        assert [method for method, _, _ in fake.requests] == ["GET"]

    @pytest.mark.parametrize("words", [(), (SOURCE, "--cancel", "p1")])
    def test_says_either_what_to_fill_or_what_to_cancel(self, run: Run, words: tuple[str, ...]) -> None:
        assert run("prewarm", *words) == ExitCode.USAGE


class TestStatus:
    def test_shows_mounts_prewarms_and_what_failed(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.mounts = {"qwen3": mount(MountState.WARMING, local=(2 << 30) - 1, eta_seconds=3.0)}
        fake.prewarms = {"p1": prewarm("failed", error=ERROR)}
        assert run("status") == ExitCode.OK
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split()[:4] == ["MOUNT", "STATE", "LOCAL", "TOTAL"]
        # One byte is missing: that is not yet 100 %.
        assert lines[1].split() == [
            *("qwen3", "warming", "2.0", "GiB", "2.0", "GiB", "99", "2.0", "GiB", "0", "B", "3", "s"),
            *("yes", "/models/qwen3", SOURCE),
        ]
        assert lines[4].split()[:2] == ["p1", "failed"]
        assert lines[-2:] == ["p1: oss://models: AccessDenied (origin_denied)", "hint: check the credentials"]

    def test_says_so_when_there_is_nothing(self, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("status") == ExitCode.OK
        assert capsys.readouterr().out == "no mounts\n"

    def test_json_has_both_lists(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.mounts = {"qwen3": mount(MountState.WARM)}
        run("status", "--json")
        document = json.loads(capsys.readouterr().out)
        assert [one["id"] for one in document["mounts"]] == ["qwen3"]
        assert document["prewarms"] == []
        assert document["peers"]["enabled"] is False

    def test_peers_are_one_line(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.peers = PEERS
        assert run("status") == ExitCode.OK
        assert capsys.readouterr().out == "no mounts\n\npeers: 1 of 2 up, 2.0 GiB received, 1.0 GiB sent\n"


class TestLs:
    def test_names_by_themselves(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.listing = listing("config.json", "model.safetensors")
        assert run("ls", SOURCE) == ExitCode.OK
        assert capsys.readouterr().out == "config.json\nmodel.safetensors\n"
        assert (
            fake.requests[0][1]
            == f"/v1/ls?source={SOURCE.replace(':', '%3A').replace('/', '%2F')}&hidden=false&limit=10000"
        )

    def test_long_lines(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.listing = listing("config.json")
        run("ls", "-l", SOURCE)
        assert capsys.readouterr().out == "   4.0 MiB   25 %  2026-11-23T12:00:00Z  config.json\n"

    def test_hidden_keys_with_their_reason(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.listing = listing("a", hidden=[models.HiddenKey(key="a//b", reason="empty name")], hidden_count=1)
        run("ls", "--hidden", SOURCE)
        assert capsys.readouterr().out == "a//b\tempty name\n"
        run("ls", SOURCE)
        assert "note: 1 key that no file system can show" in capsys.readouterr().err

    def test_a_cut_listing_says_so(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.listing = listing("a", files=20_000, truncated=True)
        run("ls", SOURCE)
        assert "showing 1 of 20000 files" in capsys.readouterr().err


class TestCache:
    def test_tiers(self, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("cache") == ExitCode.OK
        lines = capsys.readouterr().out.splitlines()
        assert lines[1].split() == ["/dev/shm/mows", "8.0", "GiB", "2.0", "GiB", "6.0", "GiB", "9", "0"]
        assert lines[2] == "0 evictions, 0 corrupt chunks"

    def test_blobs(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.blobs = [blob("b1", pinned=True, in_use=True), blob("b2", sealed=False, resident_bytes=0)]
        assert run("cache", "ls") == ExitCode.OK
        lines = capsys.readouterr().out.splitlines()
        assert "sealed,in-use,pinned" in lines[1]
        assert lines[2].split()[5:7] == ["0", "-"]

    @pytest.mark.parametrize(
        ("words", "body"),
        [
            (("b1", "b2"), {"blob_ids": ["b1", "b2"]}),
            ((SOURCE,), {"source": SOURCE}),
            (("--all",), {"all": True}),
        ],
    )
    @pytest.mark.parametrize("action", ["pin", "unpin", "evict", "verify"])
    def test_blobs_are_chosen_by_id_by_source_or_all(
        self, run: Run, fake: FakeDaemon, action: str, words: tuple[str, ...], body: dict[str, Any]
    ) -> None:
        assert run("cache", action, *words) == ExitCode.OK
        assert fake.requests == [("POST", f"/v1/cache/{action}", body)]

    @pytest.mark.parametrize("words", [(), ("b1", "--all"), ("b1", SOURCE), (SOURCE, SOURCE)])
    def test_anything_else_is_wrong_usage(self, run: Run, fake: FakeDaemon, words: tuple[str, ...]) -> None:
        assert run("cache", "evict", *words) == ExitCode.USAGE
        assert fake.requests == []

    @pytest.mark.parametrize(
        ("result", "code"),
        [
            ("ok", ExitCode.OK),
            ("evicted", ExitCode.OK),
            ("busy", ExitCode.CONFLICT),
            ("corrupt", ExitCode.CHECK_FAILED),
        ],
    )
    def test_the_worst_result_decides(self, run: Run, fake: FakeDaemon, result: str, code: ExitCode) -> None:
        fake.results = [
            models.BlobResult.model_validate({"blob_id": "b1", "uri": SOURCE, "result": one, "bad_chunks": []})
            for one in ("ok", result)
        ]
        assert run("cache", "verify", "--all") == code

    def test_options_before_the_subcommand_count(
        self, socket: Path, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["cache", "--json", "--socket", str(socket), "ls"]) == ExitCode.OK
        assert json.loads(capsys.readouterr().out) == {"blobs": []}


class TestDebugDump:
    DUMP: ClassVar[dict[str, object]] = {
        "node": "node-a",
        "version": "1.2.3",
        "pid": 7,
        "operations": [
            {
                "operation": "origin.read",
                "age_seconds": 32.5,
                "seconds_left": -2.5,
                "thread": "mows-fill-3",
                "path": "oss://b/k",
            },
            {"operation": "prewarm", "age_seconds": 2.0, "seconds_left": None, "thread": None},
        ],
        "budgets": [{"budget": "data in flight", "used_bytes": 1 << 20, "limit_bytes": 128 << 20}],
        "recent": ["WARNING origin.read outlived its deadline by 2.5 s"],
        "tasks": [{"name": "mount m", "stack": ["mows/mount.py:5 run", "mows/mount.py:9 _wait"]}],
        "threads": [{"name": "mows-fill-3", "stack": ["origin/wire.py:7 receive"]}],
    }

    def test_what_the_daemon_does(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.dump = self.DUMP
        assert run("debug", "dump") == ExitCode.OK
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "node-a: MoWS 1.2.3, process 7"
        assert lines[2].split() == ["origin.read", "32", "s", "-2.5", "s", "mows-fill-3", "path=oss://b/k"]
        assert lines[3].split() == ["prewarm", "2.0", "s", "-", "-"]
        assert lines[4:] == [
            "budget data in flight: 1.0 MiB of 128.0 MiB",
            "",
            "recent warnings:",
            "WARNING origin.read outlived its deadline by 2.5 s",
            "",
            "task mount m: mows/mount.py:5 run < mows/mount.py:9 _wait",
            "",
            "thread mows-fill-3: origin/wire.py:7 receive",
        ]

    def test_operations_that_cannot_be_told_are_no_fault_of_the_command(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.dump = {**self.DUMP, "operations": {"error": "no answer within 2 s"}}
        assert run("debug", "dump") == ExitCode.OK
        assert "operations: {'error': 'no answer within 2 s'}" in capsys.readouterr().out

    def test_as_json_it_is_the_answer_itself(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.dump = self.DUMP
        assert run("--json", "debug", "dump") == ExitCode.OK
        assert json.loads(capsys.readouterr().out) == self.DUMP


class TestPeers:
    def test_a_daemon_without_peers_is_no_fault(self, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("peers") == ExitCode.OK
        assert capsys.readouterr().out == "this daemon runs without peers: its configuration has no peers.listen\n"

    def test_who_gives_what_to_whom(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.peers = PEERS
        assert run("peers") == ExitCode.OK
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "node-a at 10.0.0.1:9302, peers by dns"
        assert lines[1].split()[:6] == ["NODE", "ZONE", "STATE", "RECEIVED", "SENT", "IN"]
        assert lines[2].split() == ["node-b", "z1", "up", "1.0", "GiB", "512.0", "MiB", "4", "12", "ms", "bulk"]
        assert lines[3].startswith("node-c  -     quarantined")
        assert lines[3].endswith("grpc  chunk 7 did not have its hash; not asked for 55 s")
        assert lines[4] == (
            "uploads 3 of 12, downloads 8 of 10, 24.0 MiB of 256.0 MiB promised, uplink limited to 1.0 GiB/s, 1 problem"
        )
        assert lines[5:] == [
            "",
            "10.0.0.9:9302: speaks protocol 2, this node 1 (peer_mismatch)",
            "hint: finish the upgrade",
        ]

    def test_who_left_is_shown_if_it_gave_something(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        left = PEERS.peers[0].model_copy(update={"state": "gone", "boot_id": "old"})
        trace = left.model_copy(update={"node": "node-d", "received_bytes": 0, "sent_bytes": 0})
        fake.peers = PEERS.model_copy(update={"peers": [left, trace, *reversed(PEERS.peers)]})
        assert run("peers") == ExitCode.OK
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:5]] == ["node-b", "node-c", "node-b"]
        assert run("status") == ExitCode.OK
        assert "peers: 1 of 2 up, 3.0 GiB received" in capsys.readouterr().out

    def test_nobody_found_yet(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.peers = PEERS.model_copy(update={"peers": [], "problems": [], "uplink_bytes_per_second": None})
        assert run("peers") == ExitCode.OK
        assert capsys.readouterr().out.splitlines()[1:] == [
            "no peers found yet",
            "uploads 3 of 12, downloads 8 of 10, 24.0 MiB of 256.0 MiB promised",
        ]

    def test_json_is_the_answer_of_the_api(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.peers = PEERS
        assert run("peers", "--json") == ExitCode.OK
        assert json.loads(capsys.readouterr().out) == PEERS.model_dump()


class TestBench:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        (tmp_path / "a").write_bytes(b"x" * 100_000)
        (tmp_path / "b").write_bytes(b"x" * 100_000)
        return tmp_path / "a"

    def test_a_file_and_another_side_by_side(self, run: Run, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        other = str(file.with_name("b"))
        assert run("bench", str(file), "--against", other, "--passes", "1") == ExitCode.OK
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == ["FILE", str(file), other, "ratio", "97.7"]
        assert lines[-1].startswith("97.7 KiB, median of 1 passes after a first one, which ran at ")

    def test_a_file_that_no_cache_holds_is_measured_alone(
        self, run: Run, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run("bench", str(file), "--passes", "1") == ExitCode.OK
        printed = capsys.readouterr()
        assert "ratio" not in printed.out
        assert "note: no cache file to compare with" in printed.err

    def test_nothing_to_read_is_not_found(self, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run("bench", str(tmp_path)) == ExitCode.NOT_FOUND
        assert "(file_not_found)" in capsys.readouterr().err

    def test_two_files_of_different_sizes_cannot_be_compared(
        self, run: Run, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file.with_name("b").write_bytes(b"short")
        assert run("bench", str(file), "--against", str(file.with_name("b"))) == ExitCode.FAILED
        assert "(read_failed)" in capsys.readouterr().err


class TestErrors:
    def test_a_problem_becomes_a_message_a_hint_and_an_exit_code(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.refusal = Refusal(409, "mount_conflict", "mount 'a': is live with another body", "choose another id")
        assert run("mount", SOURCE, "/models/qwen3") == ExitCode.CONFLICT
        assert capsys.readouterr().err == (
            "mows: mount 'a': is live with another body (mount_conflict)\nhint: choose another id\n"
        )

    def test_json_gives_the_problem_document_on_standard_output(
        self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fake.refusal = Refusal(409, "mount_conflict", "busy")
        assert run("mount", SOURCE, "/models/qwen3", "--json") == ExitCode.CONFLICT
        printed = capsys.readouterr()
        assert json.loads(printed.out) == fake.refusal.problem
        assert printed.err == ""

    def test_a_stream_may_be_refused_too(self, run: Run, fake: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
        fake.prewarm_streams = [Refusal(404, "prewarm_not_found", "prewarm 'p1': there is none")]
        assert run("prewarm", SOURCE, "--wait") == ExitCode.NOT_FOUND
        assert "prewarm 'p1': there is none (prewarm_not_found)" in capsys.readouterr().err
