"""What test_osstorchconnector.py runs in a process of its own: the answer goes to a file, stdout is the connector's."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from osstorchconnector import OssCheckpoint, OssMapDataset

REGION = "cn-hangzhou"


def main(endpoint: str, credentials: str, configuration: str, answer: str) -> None:
    """Read a prefix, write an object and read it back."""
    where = {"cred_path": credentials, "config_path": configuration, "region": REGION}
    objects = OssMapDataset.from_prefix("oss://models/data/", endpoint=endpoint, **where)
    found = {item.key: hashlib.sha256(item.read()).hexdigest() for item in objects}
    checkpoint = OssCheckpoint(endpoint, **where)
    with checkpoint.writer("oss://models/written/object") as writer:
        writer.write(b"hello" * 100_000)
    with checkpoint.reader("oss://models/written/object") as reader:
        written = hashlib.sha256(reader.read()).hexdigest()
    Path(answer).write_text(json.dumps({"found": found, "written": written}))


if __name__ == "__main__":
    main(*sys.argv[1:])
