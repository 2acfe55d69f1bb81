"""docs/openapi.json is what a daemon serves, and it says of every operation how it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cachefs.errors import OriginDenied, OriginError, SourceError
from mows.api.middleware import OPEN_PATHS
from mows.api.openapi import fails_with
from mows.api.problems import MEDIA_TYPE
from mows.errors import MountConflict
from tests.contract.api_client import problem, running_api
from tests.contract.openapi_document import DOCUMENT, rendered, served

PUBLISHED = json.loads(DOCUMENT.read_text())


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in PUBLISHED["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


async def test_the_published_document_is_the_one_that_is_served(tmp_path: Path) -> None:
    assert DOCUMENT.read_text() == rendered(await served(tmp_path)), "run: python -m tests.contract.openapi_document"


@pytest.mark.parametrize(("path", "method", "operation"), [*operations()])
def test_each_operation_says_how_it_fails_and_what_it_is_for(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["description"].endswith(".")
    failures = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
    assert {"401", "500", "503"} <= failures.keys()
    assert ("413" in failures) == ("requestBody" in operation)
    assert "422" in failures or not any(row["in"] == "query" for row in operation.get("parameters", []))
    for answer in failures.values():
        assert list(answer["content"]) == [MEDIA_TYPE]
        codes = answer["content"][MEDIA_TYPE]["schema"]["allOf"][1]["properties"]["code"]["enum"]
        assert all(f"`{code}`" in answer["description"] for code in codes)


def test_only_the_probes_need_no_token() -> None:
    free = {path for path, _, operation in operations() if operation.get("security", PUBLISHED["security"]) == []}
    assert free == OPEN_PATHS


def test_the_document_refers_to_nothing_that_it_has_not() -> None:
    named = {part.split('"')[0] for part in json.dumps(PUBLISHED).split('"#/components/schemas/')[1:]}
    assert named <= PUBLISHED["components"]["schemas"].keys()


def test_a_kind_of_error_stands_for_those_below_it() -> None:
    answers = fails_with(OriginError, SourceError)
    assert OriginDenied.code in codes_of(answers, 502)
    assert codes_of(answers, 400) == ["invalid_source", "source_too_large", "unknown_scheme"]
    assert codes_of(answers, 500) == ["internal"]


def test_a_body_can_be_wrong_or_too_large() -> None:
    answers = fails_with(MountConflict, body=True)
    assert codes_of(answers, 409) == ["mount_conflict"]
    assert {413, 422} <= answers.keys()
    assert not {413, 422} & fails_with().keys()


def codes_of(answers: dict[int | str, dict[str, Any]], status: int) -> list[str]:
    codes: list[str] = answers[status]["content"][MEDIA_TYPE]["schema"]["allOf"][1]["properties"]["code"]["enum"]
    return codes


@pytest.mark.expects_warnings
async def test_a_body_that_is_no_text_is_an_invalid_request(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        headers = {"Content-Type": "application/json"}
        answer = await api.http.post("/v1/prewarms", content=b"\xff\xfe{", headers=headers)
        problem(answer, 422, "invalid_request")


async def test_a_wrong_method_is_told_all_that_the_path_has(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        answers: list[httpx.Response] = [
            await api.http.request("PATCH", path) for path in ("/v1/mounts/m", "/v1/prewarms", "/v1/cache")
        ]
        assert [answer.status_code for answer in answers] == [405] * 3
        assert [answer.headers["Allow"] for answer in answers] == ["DELETE, GET, PUT", "GET, POST", "GET"]


@pytest.mark.expects_warnings
@pytest.mark.parametrize("lease", ["9999999d", 1e300, -1, "1 fortnight"])
async def test_a_lease_without_an_end_in_any_calendar_is_refused(tmp_path: Path, lease: object) -> None:
    async with running_api(tmp_path) as api:
        problem(await api.put_mount(warm=True, lease=lease), 422, "invalid_request")


@pytest.mark.expects_warnings
@pytest.mark.parametrize("warm", [0, 1, "yes"])
async def test_a_truth_is_true_or_false(tmp_path: Path, warm: object) -> None:
    async with running_api(tmp_path) as api:
        problem(await api.put_mount(warm=warm), 422, "invalid_request")
