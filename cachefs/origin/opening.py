"""Opens the origin of a source. Importing this loads the SDKs, which takes 0.2 s, more on a busy machine."""

from __future__ import annotations

from pathlib import Path

from cachefs.faults import Faults
from cachefs.origin.faulty import FaultyOrigin
from cachefs.origin.key_sources import open_credentials
from cachefs.origin.nas import open_nas
from cachefs.origin.object_store import open_object_store
from cachefs.origin.oss import OssOrigin
from cachefs.origin.oss_endpoint import resolve_endpoint
from cachefs.origin.posix import PosixOrigin, Tree
from cachefs.origin.settings import OriginSettings
from cachefs.origin.uri import BUCKET_SCHEMES, HTTP_SCHEMES, Source
from cachefs.ports import Origin


def open_origin(source: Source, settings: OriginSettings, *, state_dir: Path, faults: Faults | None = None) -> Origin:
    """The origin that serves `source`; the caller closes it.

    Touches no network, with one exception: ``nas://`` is mounted, below ``state_dir/nas``, and so may block for
    `NasSettings.mount_timeout_seconds`. Raises InvalidSource or UnknownScheme for settings that cannot work, and
    OriginUnavailable or OriginTimeout when a mount fails. `faults` are what is to go wrong on purpose.
    """
    origin = _open(source, settings, state_dir, faults)
    return FaultyOrigin(origin, faults) if faults else origin


def _open(source: Source, settings: OriginSettings, state_dir: Path, faults: Faults | None) -> Origin:
    if source.scheme == "oss":
        bucket = source.authority.removeprefix("oss://")
        endpoint = resolve_endpoint(settings, source.endpoint)
        return OssOrigin(bucket, endpoint, open_credentials(settings.credentials, faults), settings)
    if source.scheme == "nas":
        server = source.authority.removeprefix("nas://").partition("/")[0]
        return open_nas(server, source.prefix, settings.nas, state_dir, settings.symlink_roots)
    if source.scheme == "file":
        root = source.prefix.removesuffix("/")
        return PosixOrigin(Tree(source.authority, "file://", root, Path(root)), settings.symlink_roots)
    if source.scheme in BUCKET_SCHEMES | HTTP_SCHEMES:
        return open_object_store(source, settings)
    from cachefs.origin.fsspec_fs import open_fsspec  # noqa: PLC0415 after a restart readers wait for what is loaded here

    return open_fsspec(source, settings)
