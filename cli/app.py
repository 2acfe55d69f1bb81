"""The root command and the border: here, and nowhere else, an error becomes one message and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import click

from cli.errors import CliError, Failure, WaitInterrupted, message_json, message_lines
from cli.exit_codes import MEANINGS, ExitCode
from cli.options import Given, with_options

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "daemon": "Run the daemon of this node.",
        "mount": "Mount a source on a directory and wait until it can be read.",
        "umount": "Unmount a directory or the mount of an id.",
        "prewarm": "Bring sources into the cache before anybody reads them.",
        "status": "Show the mounts, prewarms and peers of this node.",
        "explain": "Say where the seconds of a load went, and what bound it.",
        "ls": "List what a source holds.",
        "cache": "Show the cache; pin, unpin, evict or verify its blobs.",
        "peers": "Show the peers of this node.",
        "debug": "Show what the daemon does at this moment.",
        "doctor": "Check this node and the configuration, and say what to do.",
        "bench": "Measure how fast a mounted file can be read here.",
    }
)
"""Name and one line of help; a test compares them with the commands.

Here, so that ``mows --help`` imports none of them: one pulls in an HTTP client, another the whole daemon.
"""


class LazyGroup(click.Group):
    """Finds a command in ``cli.commands.NAME`` when it is called, and not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order of `COMMANDS`, which is that of a user's first day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command, or None when there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"cli.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """The list of commands, from the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """The table of exit codes."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), MEANINGS[code]) for code in ExitCode])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mows")
@with_options
@click.pass_context
def root(ctx: click.Context, /, **given: Any) -> None:  # noqa: ANN401 - the fields of `Given`
    """Model Weight Service: model weights from object storage, as read-only directories on this node.

    The options below may also stand after the command. MOWS_SOCKET, MOWS_URL, MOWS_TOKEN_FILE, MOWS_CA_FILE,
    MOWS_CERT_FILE and MOWS_KEY_FILE set them, too.
    """
    ctx.obj = Given(**given)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `mows` with `arguments` (default: those of the process) and return its exit code. Prints what went wrong."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return ExitCode.BROKEN_PIPE
    return code


def _run(words: list[str]) -> int:
    try:
        # Not root.main(): it would end the process on a broken pipe, with the exit code of a failure.
        with root.make_context("mows", words) as ctx:
            root.invoke(ctx)
    except click.exceptions.Exit as finished:
        return finished.exit_code
    except click.ClickException as error:
        return _report(_usage_failure(error), words)
    except KeyboardInterrupt:
        return _report(WaitInterrupted("interrupted"), words)
    except CliError as error:
        return _report(error, words)
    return ExitCode.OK


def _report(error: CliError, words: Sequence[str]) -> int:
    # From the words, not from the parsed options: parsing may be what failed.
    if "--json" in words:
        click.echo(message_json(error))
    else:
        click.echo(message_lines(error), err=True)
    return error.exit_code


def _usage_failure(error: click.ClickException) -> Failure:
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "mows"
    return Failure(
        error.format_message(), code="usage", exit_code=ExitCode.USAGE, hint=f"`{path} --help` shows how it is used"
    )


def _forget_stdout() -> None:
    """Nobody reads any more: let the interpreter's last flush go nowhere instead of complaining."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
