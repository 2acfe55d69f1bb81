"""What the rivals are told to do, and what is made of what they say."""

from __future__ import annotations

import json
from pathlib import Path

import libtorrent
import pytest

from benchmarks.lab.place import Place
from benchmarks.scaleout.rivals import aria2
from benchmarks.scaleout.rivals.course import Course, Run, WrongBytes, check, digests
from benchmarks.scaleout.rivals.torrent import Source, Swarm, make_swarm, make_torrent, run_of
from benchmarks.scaleout.rivals.tuning import TUNED, Tuning

ORIGIN = Place("origin", "lab-origin", "10.99.0.1")
NODES = tuple(Place(f"node-{index}", f"lab-node-{index}", f"10.99.1.{index + 1}") for index in range(3))
PIECE = Tuning(piece_bytes=16 * 1024)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """Three nodes that want two files."""
    model = tmp_path / "model"
    (model / "sub dir").mkdir(parents=True)
    (model / "small.json").write_bytes(b"{}")
    (model / "sub dir" / "large.bin").write_bytes(bytes(100_000))
    work = tmp_path / "work"
    work.mkdir()
    return Course(model, ORIGIN, "http://10.99.0.1:80/models/model/", lambda: 0, NODES, work)


def options(command: list[str | Path], name: str) -> list[str]:
    """The values of all options of one name."""
    words = [str(word) for word in command]
    return [words[index + 1] for index, word in enumerate(words) if word == name]


def swarm(course: Course, source: Source) -> Swarm:
    return make_swarm(course, source, PIECE)


def test_a_url_that_a_web_seed_could_not_use_is_refused(course: Course) -> None:
    with pytest.raises(ValueError, match="under a URL that ends in its name: http://origin/other/"):
        Course(course.model, ORIGIN, "http://origin/other/", lambda: 0, NODES, course.directory)


def test_the_last_of_the_nodes_counts() -> None:
    assert Run("anybody", {"node-0": 3.0, "node-1": 5.0, "node-2": 4.0}, 0, 0.0).last_seconds == 5.0


def test_aria2_is_given_all_files_the_largest_first(course: Course) -> None:
    url = "http://10.99.0.1:80/models/model"
    expected = f"{url}/sub%20dir/large.bin\n  out=sub dir/large.bin\n{url}/small.json\n  out=small.json\n"
    assert aria2.input_file(course) == expected


def test_aria2_runs_inside_its_node(course: Course) -> None:
    words = [str(word) for word in aria2.command(course, NODES[1], course.directory)]
    assert words[: len(NODES[1].prefix)] == NODES[1].prefix
    assert {"-x16", "-s16", "-k1M", f"--dir={course.directory / 'model'}"} <= set(words)


def test_files_that_differ_lack_or_are_too_many_are_named(course: Course, tmp_path: Path) -> None:
    expected = digests(course.model)
    check("aria2", expected, course.model)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "small.json").write_bytes(b"{]")
    (copy / "small.json.aria2").write_bytes(b"")
    with pytest.raises(WrongBytes, match=r"aria2 .* small\.json, small\.json\.aria2, sub dir/large\.bin"):
        check("aria2", expected, copy)


def test_the_torrent_is_of_the_first_version_with_the_pieces_asked_for(course: Course) -> None:
    information = libtorrent.load_torrent_buffer(make_torrent(course.model, PIECE.piece_bytes)).ti
    assert information is not None
    assert information.name() == "model"
    assert information.piece_length() == PIECE.piece_bytes
    assert information.total_size() == 100_002
    assert not information.info_hashes().has_v2()


def test_every_pair_of_a_swarm_meets_once(course: Course) -> None:
    members = swarm(course, "web seed")
    assert [options(members.command(index), "--peer") for index in range(3)] == [
        [],
        ["10.99.1.1:6881"],
        ["10.99.1.1:6881", "10.99.1.2:6881"],
    ]


def test_a_web_seed_is_told_to_every_node_without_the_torrents_name(course: Course) -> None:
    members = swarm(course, "web seed")
    assert [member.place for member in members.leeches] == list(NODES)
    assert options(members.command(0), "--web-seed") == ["http://10.99.0.1:80/models/"]


def test_a_seeder_stands_where_the_origin_stands_and_serves_the_model_itself(course: Course) -> None:
    members = swarm(course, "seeder")
    assert [member.place for member in members.leeches] == list(NODES)
    first = members.command(0)
    assert [str(word) for word in first][: len(ORIGIN.prefix)] == ORIGIN.prefix
    assert "--seed" in first
    assert options(first, "--save") == [str(course.model.parent)]
    assert "--seed" not in members.command(1)
    assert options(members.command(1), "--web-seed") == []


def test_warm_nodes_seed_for_the_others(course: Course) -> None:
    joining = Course(course.model, ORIGIN, course.url, lambda: 0, NODES[1:], course.directory, warm=NODES[:1])
    members = swarm(joining, "warm nodes")
    assert [(member.place.name, member.seed) for member in members.members] == [
        ("node-0", True),
        ("node-1", False),
        ("node-2", False),
    ]


def test_the_seeds_super_seeding_is_only_for_seeds(course: Course) -> None:
    swarm = make_swarm(course, "seeder", Tuning(16 * 1024, super_seeding=True))
    assert "--super-seeding" in swarm.command(0)
    assert "--super-seeding" not in swarm.command(1)


@pytest.mark.parametrize("source", TUNED)
def test_libtorrent_knows_every_setting_and_takes_it(source: str) -> None:
    pack: libtorrent.settings_pack = json.loads(json.dumps(TUNED[source].pack))
    pack["listen_interfaces"] = ""
    taken = libtorrent.session(libtorrent.session_params(pack)).get_settings()
    assert {name: value for name, value in taken.items() if name in pack} == pack


def test_what_a_seeder_sends_is_the_origins_and_what_nodes_send_is_theirs() -> None:
    totals = {
        "origin": {"sent_bytes": 100, "received_bytes": 0, "duplicate_bytes": 0},
        "node-0": {"sent_bytes": 30, "received_bytes": 90, "duplicate_bytes": 7},
        "node-1": {"sent_bytes": 20, "received_bytes": 60, "duplicate_bytes": 3},
    }
    run = run_of("libtorrent, seeder", {"node-0": 1.0}, totals, "origin", 5, 2.0)
    assert (run.origin_bytes, run.peer_bytes, run.duplicate_bytes) == (105, 50, 10)
