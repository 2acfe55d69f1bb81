"""What is printed into a pipe, and what strangers' names may do to a terminal."""

import pytest

from cli.output import emit_table, printable


def test_a_table_in_a_pipe_is_plain_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    emit_table(("ID", "SIZE"), [(long, "1 B"), ("b", "10 B")], right=(1,))
    assert capsys.readouterr().out.splitlines() == [
        "ID" + " " * 298 + "  SIZE",
        long + "   1 B",
        "b" + " " * 299 + "  10 B",
    ]


def test_markup_in_a_cell_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    emit_table(("KEY",), [("[red]a[/red]",)])
    assert capsys.readouterr().out.splitlines() == ["KEY", "[red]a[/red]"]


@pytest.mark.parametrize(("text", "shown"), [("näme", "näme"), ("a\x1b[2J", "a\\x1b[2J"), ("a\nb", "a\\nb")])
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown
