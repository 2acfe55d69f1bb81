"""What is sent, and what answers mean."""

from __future__ import annotations

import json

import pytest

from mows.api import models, peer_models
from mows.client import calls
from mows.client.call import Reply, decoded
from mows.client.errors import BY_STATUS, ApiError, Conflict, NoSpace, NotMows, Refused, Unauthorized, Unavailable
from mows.errors import HTTP_STATUS
from tests.unit.client.scripted import problem


def test_only_what_the_caller_has_set_is_sent() -> None:
    request = models.MountRequest(source="oss://b/m/", mount_path="/models/m")
    assert json.loads(calls.put_mount("m", request).content() or b"") == {
        "source": "oss://b/m/",
        "mount_path": "/models/m",
    }


def test_a_mapping_is_sent_as_it_is() -> None:
    assert json.loads(calls.put_instance("i", {"storage": [], "odd": 1}).content() or b"") == {"storage": [], "odd": 1}


def test_names_cannot_leave_their_place_in_the_path() -> None:
    assert calls.mount("../cache?x=1").path == "/v1/mounts/..%2Fcache%3Fx%3D1"


def test_an_answer_may_take_as_long_as_it_was_allowed_to() -> None:
    assert calls.mount("m", wait_seconds=30.0).extra_seconds == 30.0
    assert calls.delete_mount("m").extra_seconds > 0
    assert calls.delete_mount("m").params == {}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthorized", Unauthorized),
        (403, "target_not_allowed", Refused),
        (409, "mount_conflict", Conflict),
        (418, "of_a_newer_daemon", ApiError),
        (507, "no_space", NoSpace),
    ],
)
def test_a_problem_is_raised_as_what_the_caller_does_next(status: int, code: str, kind: type[ApiError]) -> None:
    with pytest.raises(kind) as raised:
        calls.health().result(problem(status, code, hint="do this", retryable=False, in_the_way=[]))
    error = raised.value
    assert type(error) is kind
    assert (error.status, error.code, error.hint, error.retryable) == (status, code, "do this", False)
    assert error.problem["in_the_way"] == []


def test_a_proxy_that_answers_for_the_daemon() -> None:
    with pytest.raises(Unavailable) as raised:
        calls.health().result(Reply(503, "text/html", b"<html>"))
    assert (raised.value.code, raised.value.retryable) == ("http_503", True)


def test_every_status_of_the_daemon_has_a_class_of_its_own() -> None:
    assert {int(status) for status in HTTP_STATUS.values()} - {500} <= set(BY_STATUS)


def test_fields_of_a_newer_daemon_do_no_harm() -> None:
    body = b'{"configured": false, "node": "a", "problems": [], "new": {"x": 1}}'
    assert decoded(peer_models.Peers, body) == peer_models.Peers(configured=False, node="a")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b"\xff", b"", b'{"configured": 1}'])
def test_what_is_no_answer_of_mows(body: bytes) -> None:
    with pytest.raises(NotMows) as raised:
        decoded(peer_models.Peers, body)
    assert raised.value.hint


def test_events_are_the_lines_with_data() -> None:
    stream = calls.events()
    assert stream.event("event: snapshot") is None
    assert stream.event(": keep-alive") is None
    assert stream.event("") is None
    with pytest.raises(NotMows):
        stream.event("data: {")
