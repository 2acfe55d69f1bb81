"""The border: the table of commands, and how usage errors end."""

import json
import subprocess
import sys

import click
import pytest

from cli import main
from cli.app import COMMANDS, root
from cli.exit_codes import MEANINGS, ExitCode


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_says_what_the_commands_say(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.help == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert any("--json" in option.opts for option in command.params)


def test_help_imports_no_command_and_no_http_client() -> None:
    code = "import cli, sys; cli.main(['--help']); print(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stderr.split())
    assert modules.isdisjoint({"httpx", "rich", "fastapi", "cachefs", "mows"})
    assert not any(module.startswith("cli.commands.") for module in modules)


def test_help_lists_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == ExitCode.OK
    words = " ".join(capsys.readouterr().out.split())
    for code, meaning in MEANINGS.items():
        assert f"{code.value} {meaning}" in words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["mount", "oss://m/"], "Missing argument 'TARGET'"),
        (["status", "--nonsense"], "No such option"),
        (["mount", "oss://m/", "/t", "--config", "f"], "--config is for --foreground"),
    ],
)
def test_wrong_usage_is_one_message_and_a_hint(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == ExitCode.USAGE
    first, hint = capsys.readouterr().err.splitlines()
    assert first.startswith(f"mows: {message}")
    assert first.endswith("(usage)")
    assert "--help` shows how it is used" in hint


def test_wrong_usage_with_json_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--json", "--nonsense"]) == ExitCode.USAGE
    printed = capsys.readouterr()
    assert json.loads(printed.out)["code"] == "usage"
    assert printed.err == ""
