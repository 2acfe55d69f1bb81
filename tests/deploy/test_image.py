"""The image: its Dockerfile is clean, its packages are locked and those of the project, its bill of materials whole."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from deploy.sbom import document
from tests.deploy.rendering import DEPLOY, script

DOCKERFILE = DEPLOY / "Dockerfile"
LOCK = (DEPLOY / "requirements.lock").read_text()
WHOLE_LOCK = (DEPLOY.parent / "requirements.lock").read_text()
PROJECT = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]


def versions(lock: str) -> dict[str, str]:
    """What a lock file pins."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE))


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([script("hadolint"), DOCKERFILE], capture_output=True, text=True, check=False, timeout=60.0)
    assert done.returncode == 0, done.stdout


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    let_through = {
        line.removeprefix("!")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(), re.MULTILINE)
        for source in words.split()[:-1]
    }
    assert copied == let_through
    assert [source for source in copied if not (DEPLOY.parent / source).exists()] == []


def test_the_image_runs_as_nobody_unless_a_pod_says_otherwise() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE.read_text(), re.MULTILINE) == ["65532:65532"]


def test_it_contains_what_was_tested() -> None:
    """The lock file of the image is a part of that of the tests."""
    assert versions(LOCK).items() <= versions(WHOLE_LOCK).items()
    needed = {re.split(r"[\[<>=!~ ]", name)[0].lower() for name in PROJECT["dependencies"]}
    assert needed <= set(versions(LOCK))
    assert "pytest" not in versions(LOCK)


def test_the_bill_of_materials_names_every_package_with_its_hashes() -> None:
    bill = document(LOCK, PROJECT["version"])
    assert bill["bomFormat"] == "CycloneDX"
    components = bill["components"]
    assert isinstance(components, list)
    assert {one["name"]: one["version"] for one in components} == versions(LOCK)
    assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in components)
    assert sum(len(one["properties"]) for one in components) == LOCK.count("--hash=sha256:")
    assert bill["dependencies"] == [
        {"ref": f"pkg:pypi/mows@{PROJECT['version']}", "dependsOn": [one["bom-ref"] for one in components]}
    ]


def test_a_lock_file_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a line of a lock file"):
        document("requests>=2\n", "0")
