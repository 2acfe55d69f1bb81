"""docs/CONTROLLER.md: its example is accepted, and it names every state, option and only codes that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cachefs.errors
import mows.errors
from mows.api.instance_models import Instance, InstanceOptions, InstanceRequest
from mows.eas import Wishes, translate
from mows.instance_state import InstanceState

DOCUMENT = (Path(__file__).parents[2] / "docs" / "CONTROLLER.md").read_text()
CODES = {kind.code for tree in (cachefs.errors, mows.errors) for kind in vars(tree).values() if hasattr(kind, "code")}


def section(title: str) -> str:
    return DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(text: str) -> set[str]:
    return set(re.findall(r"^\| `([\w.]+)`", text, re.MULTILINE))


def test_the_example_is_a_request_that_is_understood() -> None:
    body = InstanceRequest.model_validate(json.loads("{" + DOCUMENT.split("\n\n{", 1)[1].split("\n```")[0]))
    plan = translate(body.storage, Wishes("/root", warm=True), lambda _: None)
    assert [mount.storage_path for mount in plan.mounts] == ["/mnt/models", "/mnt/fast", "/mnt/nas"]
    assert [mount.spec.warm for mount in plan.mounts] == [False, True, True]
    assert len(plan.ignored) == 1


def test_every_state_and_option_is_there() -> None:
    assert first_cells(section("States")) == set(InstanceState)
    assert first_cells(section("`mows`")) == set(InstanceOptions.model_fields)


def test_the_answer_has_the_fields_that_are_shown() -> None:
    shown = set(
        re.findall(r'^  "(\w+)"|(?<=, )"(\w+)":', DOCUMENT.split("The answer")[1].split("```")[1], re.MULTILINE)
    )
    assert set(Instance.model_fields) <= {name for pair in shown for name in pair}


def test_every_code_exists() -> None:
    table = section("Errors").split("| answer | act |")[1]
    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    assert len(named) > 10
    assert named <= CODES
