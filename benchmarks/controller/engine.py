"""A stand-in for an inference engine: reads the model of its instance, says what it has read, and waits for SIGTERM.

It finds the model in ``MODEL_PATH`` and writes ``ready``, the digest of all files by name, when it could serve.
"""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path


def digest_of(directory: Path) -> str:
    """Of the names and bytes of all files, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(directory.iterdir()):
        digest.update(path.name.encode())
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def main() -> None:
    """Serve until SIGTERM."""
    written = Path("ready.new")
    written.write_text(digest_of(Path(os.environ["MODEL_PATH"])))
    written.rename("ready")
    signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main()
