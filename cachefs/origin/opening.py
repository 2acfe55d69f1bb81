"""Opens the origin of a source. Importing this loads the SDKs, which takes 0.2 s, more on a busy machine."""

from __future__ import annotations

from pathlib import Path

from cachefs.errors import InvalidSource
from cachefs.faults import Faults
from cachefs.origin.credentials import KeySource
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

HANDED_HINT = "configure the keys of this origin on the node, under `origins`"


def open_origin(
    source: Source,
    settings: OriginSettings,
    *,
    state_dir: Path,
    faults: Faults | None = None,
    handed: KeySource | None = None,
) -> Origin:
    """The origin that serves `source`; the caller closes it.

    Touches no network, with one exception: ``nas://`` is mounted, below ``state_dir/nas``, and so may block for
    `NasSettings.mount_timeout_seconds`. Raises InvalidSource or UnknownScheme for settings that cannot work, and
    OriginUnavailable or OriginTimeout when a mount fails. `faults` are what is to go wrong on purpose. `handed` takes
    the place of the keys in `settings`, for ``oss://``; another scheme with handed keys is an InvalidSource.
    """
    if handed is not None and source.scheme != "oss":
        raise InvalidSource(f"source {source.uri!r}: only oss:// takes keys that are handed over", hint=HANDED_HINT)
    origin = _open(source, settings, state_dir, faults, handed)
    return FaultyOrigin(origin, faults) if faults else origin


def _open(
    source: Source, settings: OriginSettings, state_dir: Path, faults: Faults | None, handed: KeySource | None
) -> Origin:
    if source.scheme == "oss":
        bucket = source.authority.removeprefix("oss://")
        endpoint = resolve_endpoint(settings, source.endpoint)
        return OssOrigin(bucket, endpoint, open_credentials(settings.credentials, faults, handed), settings)
    if source.scheme == "nas":
        server = source.authority.removeprefix("nas://").partition("/")[0]
        if settings.nas.directory:
            key_root, place = source.prefix.removesuffix("/"), Path(settings.nas.directory)
            return PosixOrigin(Tree(source.authority, f"nas://{server}", key_root, place), settings.symlink_roots)
        return open_nas(server, source.prefix, settings.nas, state_dir, settings.symlink_roots)
    if source.scheme == "file":
        root = source.prefix.removesuffix("/")
        return PosixOrigin(Tree(source.authority, "file://", root, Path(root)), settings.symlink_roots)
    if source.scheme in BUCKET_SCHEMES | HTTP_SCHEMES:
        return open_object_store(source, settings)
    from cachefs.origin.fsspec_fs import open_fsspec  # noqa: PLC0415 after a restart readers wait for what is loaded here

    return open_fsspec(source, settings)
