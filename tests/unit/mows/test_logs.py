"""One line an event, with its fields."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest

from cachefs.errors import OriginDenied
from mows import logs

log = logging.getLogger("tests.mows.logs")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = {logger: logger.level for logger in (root, *map(logging.getLogger, logs.QUIET_LOGGERS))}
    yield
    root.handlers[:] = handlers
    for logger, level in levels.items():
        logger.setLevel(level)


def lines(form: Literal["json", "text"], level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(form, level, stream)
    return stream


def test_json_lines_carry_what_is_bound_and_what_is_given() -> None:
    stream = lines("json")
    with logs.bound(request_id="r1", mount="m"):
        logs.event(log, "listed", files=3)
    logs.event(log, "after")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["message"] == "listed"
    assert (first["request_id"], first["mount"], first["files"], first["level"]) == ("r1", "m", 3, "INFO")
    assert "request_id" not in second


def test_text_quotes_what_would_be_read_wrongly() -> None:
    stream = lines("text")
    logs.event(log, "mounted", path="/a b", source="oss://b/", empty="")
    assert stream.getvalue().endswith('INFO    mounted path="/a b" source=oss://b/ empty=""\n')


def test_an_expected_failure_is_one_line_with_code_and_hint() -> None:
    stream = lines("json")
    logs.failure(log, "mount", OriginDenied("403 from oss://b"), mount="m")
    (row,) = map(json.loads, stream.getvalue().splitlines())
    assert row["level"] == "WARNING"
    assert row["message"] == "mount failed: 403 from oss://b"
    assert (row["operation"], row["code"], row["mount"]) == ("mount", "origin_denied", "m")
    assert "credentials" in row["hint"]
    assert "traceback" not in row


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_bug_is_an_error_with_its_traceback(form: Literal["json", "text"]) -> None:
    stream = lines(form)
    try:
        int("x")
    except ValueError as error:
        logs.failure(log, "mount", error)
    text = stream.getvalue()
    assert "ERROR" in text
    assert "Traceback (most recent call last)" in text
    assert len(text.splitlines()) == 1 or form == "text"


def test_the_level_is_the_least_that_is_written() -> None:
    stream = lines("text", "warning")
    log.info("quiet")
    log.warning("loud")
    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == ["loud"]


def test_libraries_do_not_write_a_line_per_request() -> None:
    stream = lines("text", "debug")
    logging.getLogger("uvicorn.error").info("Started server process")
    assert stream.getvalue() == ""
