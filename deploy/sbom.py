"""Says what the image contains, as CycloneDX: ``python deploy/sbom.py deploy/requirements.lock > sbom.cdx.json``.

From the lock file alone, which names every package with its version and the hashes of its files: so it can be made, and
compared, without a network, and twice the same. Standard library only, because the image is built with it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def document(lock: str, version: str) -> dict[str, object]:
    """The bill of materials of MoWS `version` with the packages of `lock`."""
    application = {"type": "application", "name": "mows", "version": version, "bom-ref": f"pkg:pypi/mows@{version}"}
    components = list(_components(lock))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": application},
        "components": components,
        "dependencies": [
            {"ref": application["bom-ref"], "dependsOn": [component["bom-ref"] for component in components]}
        ],
    }


def _components(lock: str) -> Iterator[dict[str, object]]:
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock.strip()):
        first, *rest = block.splitlines()
        found = _PACKAGE.match(first)
        if not found:
            raise ValueError(f"not a line of a lock file: {first!r}")
        name, version = found[1], found[2]
        reference = f"pkg:pypi/{name.lower()}@{version}"
        yield {
            "type": "library",
            "name": name,
            "version": version,
            "purl": reference,
            "bom-ref": reference,
            # One of these files is installed: which one depends on the machine.
            "properties": [{"name": "mows:sha256", "value": digest} for digest in _HASH.findall("\n".join(rest))],
        }


def main() -> None:
    """Write the document for the lock file that is named, and for the version that pyproject.toml says."""
    path = Path(sys.argv[1])
    project = next(one for one in (Path("pyproject.toml"), path.parent.parent / "pyproject.toml") if one.exists())
    version = re.search(r'^version = "(.+)"$', project.read_text(), re.MULTILINE)
    assert version is not None
    sys.stdout.write(json.dumps(document(path.read_text(), version[1]), indent=1) + "\n")


if __name__ == "__main__":
    main()
