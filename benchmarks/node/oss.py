"""An OSS test server of one's own, as a child process, with one bucket in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.node.processes import Child, python
from benchmarks.ossserver import DEFAULT_ACCESS_KEYS, Control

BUCKET = "models"


class OssProcess(Child):
    """One `python -m benchmarks.ossserver` that accepts V4 signatures only, or unsigned requests besides.

    Entering only starts the process; `wait_ready` waits for it, and everything else comes after that.
    """

    def __init__(
        self, directory: Path, *, anonymous: bool = False, host: str = "127.0.0.1", prefix: Sequence[str] = ()
    ) -> None:
        """`prefix` goes before the command, to start it in another network; `host` is its address there."""
        directory.mkdir(parents=True)
        command = [*prefix, *python("benchmarks.ossserver", "--root", directory / "objects", "--bucket", BUCKET)]
        command += ["--no-v1", "--host", host, *(["--anonymous"] if anonymous else [])]
        super().__init__("ossserver", command, directory, piped=True)
        self._ready: dict[str, str] = {}

    def wait_ready(self) -> None:
        """Block until it listens. ChildFailed when it ends instead."""
        self._ready = json.loads(self.hear())

    @property
    def endpoint(self) -> str:
        """Its base URL; buckets are the first segment of the path."""
        return self._ready["endpoint"]

    def origin(self) -> dict[str, object]:
        """The entry of `origins` in mows.yaml that lets a daemon read the bucket."""
        access_key_id, access_key_secret = next(iter(DEFAULT_ACCESS_KEYS.items()))
        keys = {"access_key_id": access_key_id, "access_key_secret": access_key_secret}
        return {
            "match": f"oss://{BUCKET}/",
            "endpoint": self.endpoint,
            "region": self._ready["region"],
            "credentials": {"provider": "static"} | keys,
        }

    def put_tree(self, prefix: str, directory: Path) -> str:
        """Store all files of `directory`, and answer the source they can be mounted as.

        Files on the file system of the server's own directory are linked: do not change them afterwards.
        """
        self.call("put_tree", bucket=BUCKET, prefix=f"{prefix}/", directory=str(directory))
        return f"oss://{BUCKET}/{prefix}/"

    def bytes_sent(self) -> int:
        """Bytes of objects it has sent so far, to whomever."""
        return int(self.call("statistics")["bytes_sent"])

    def call(self, name: str, **arguments: Any) -> Any:  # noqa: ANN401  whatever the call gives, as JSON
        """One call of the server, see `benchmarks.ossserver.control`. ControlFailed."""
        return Control(self._ready["control"]).call(name, **arguments)
