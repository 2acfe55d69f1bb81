"""The daemon's own directories, and a daemon that is not there."""

from pathlib import Path

from cli.doctor.configuration import read
from cli.doctor.finding import Level
from cli.doctor.service import daemon, directories, keeper, writable
from cli.endpoint import Endpoint


def test_a_directory_that_exists_or_can_be_made_is_ok(tmp_path: Path) -> None:
    assert writable("d", tmp_path).message == f"{tmp_path} is writable"
    assert writable("d", tmp_path / "a" / "b").message == f"{tmp_path / 'a' / 'b'} can be created"


def test_a_file_in_the_way_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = writable("d", tmp_path / "file" / "below")
    assert finding.level is Level.FAIL
    assert finding.remedy


def test_both_directories_are_looked_at(tmp_path: Path) -> None:
    names = [finding.name for finding in directories(tmp_path, tmp_path / "run" / "s")]
    assert names == ["state directory", "socket directory"]


def test_no_daemon_is_a_warning_with_its_reason(tmp_path: Path) -> None:
    finding = daemon(Endpoint(tmp_path / "none"))
    assert finding.level is Level.WARN
    assert "No such file or directory" in finding.message
    assert "mows daemon" in finding.remedy


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    finding, config = read(tmp_path / "none.yaml", {})
    assert (finding.level, config) == (Level.FAIL, None)
    assert str(tmp_path / "none.yaml") in finding.message


def test_no_keeper_is_a_warning_and_one_that_does_not_answer_a_failure(tmp_path: Path) -> None:
    assert keeper(None).level is Level.WARN
    finding = keeper(tmp_path / "keeper.sock")
    assert (finding.level, "start the keeper" in finding.remedy) == (Level.FAIL, True)
