"""docs/CLI.md is what the commands are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cli.app import COMMANDS, root
from cli.exit_codes import MEANINGS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "CLI.md").read_text()
COMMON = {"--json", "--socket", "--url", "--token-file", "--ca-file", "--cert-file", "--key-file", "--help"}
EXAMPLES = re.findall(r"^ *\$ mows (.*)$", DOCUMENT, re.MULTILINE)


def section(title: str) -> str:
    """The text below one heading."""
    return DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_exit_codes_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", section("Exit codes"), re.MULTILINE)
    assert rows == [(str(code.value), meaning.replace("|", r"\|")) for code, meaning in MEANINGS.items()]


def test_the_commands_are_in_the_order_of_the_help() -> None:
    assert re.findall(r"^## mows (.*)$", DOCUMENT, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_in_its_section(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    options = {word for option in command.params if isinstance(option, click.Option) for word in option.opts} - COMMON
    text = section(f"mows {name}")
    assert {word for word in options if f"`{word}" not in text} == set()


def test_every_subcommand_of_cache_is_in_its_section() -> None:
    cache = root.get_command(click.Context(root), "cache")
    assert isinstance(cache, click.Group)
    assert {name for name in cache.commands if f"`mows cache {name}`" not in section("mows cache")} == set()


@pytest.mark.parametrize("option", sorted(COMMON - {"--help"}))
def test_the_common_options_are_explained_once(option: str) -> None:
    assert f"`{option}" in section("For every command")


def test_every_command_has_an_example() -> None:
    assert {example.split()[0] for example in EXAMPLES} == set(COMMANDS)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_can_be_typed(example: str) -> None:
    command: click.Command = root
    parent, words = None, shlex.split(example)
    while isinstance(command, click.Group):
        parent = command.make_context(command.name, words, parent=parent)
        words = [*parent._protected_args, *parent.args]
        if not words:
            return
        name, found, words = command.resolve_command(parent, words)
        assert found is not None, name
        command = found
    command.make_context(command.name, words, parent=parent)
