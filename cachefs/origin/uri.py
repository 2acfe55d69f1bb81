"""What a user writes to name a source, and the one canonical way we write it.

An object's URI is ``authority + "/" + key`` for buckets and ``scheme://host + absolute path`` for files, with the key
as the origin spells it: nothing is percent-encoded or decoded. Two mounts of overlapping prefixes so see one URI, and
share one blob.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cachefs.errors import InvalidSource, UnknownScheme

BUCKET_SCHEMES = frozenset({"oss", "s3", "gs", "az"})
HTTP_SCHEMES = frozenset({"http", "https"})
POSIX_SCHEMES = frozenset({"file", "nas"})
_ALIASES = {"gcs": "gs", "s3a": "s3"}
_WRAPPERS = frozenset(  # fsspec protocols that wrap another one, or name a local path: no origins by themselves
    {"async_wrapper", "asyncwrapper", "asynclocal", "blockcache", "cached", "data", "dir", "filecache", "generic"}
    | {"libarchive", "local", "reference", "simplecache", "tar", "zip"}
)
_OSS_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])")
_OSS_HOST = re.compile(r"(?P<bucket>[^.]+)\.(?P<endpoint>oss-[a-z0-9-]+\.aliyuncs\.com)")


@dataclass(frozen=True, slots=True)
class Source:
    """A place to mount, in canonical form.

    `prefix` is a directory: empty, or with a final ``/``. Only a web address without a final slash names one object
    instead. For ``file`` and ``nas`` it is an absolute path. `endpoint` is set when an OSS source names it, as in
    ``oss://bucket.oss-cn-beijing.aliyuncs.com/dir``. `keys` names the keys that somebody handed to this process for
    this use of it; empty: those of the configuration.
    """

    scheme: str
    authority: str
    prefix: str
    endpoint: str = ""
    keys: str = ""

    @property
    def uri(self) -> str:
        """The canonical spelling: equal for two sources that are the same."""
        if self.scheme in POSIX_SCHEMES:
            return f"{self.authority}/"
        return f"{self.authority}/{self.prefix}"


def parse_source(text: str) -> Source:
    """The source that `text` names. Raises InvalidSource or UnknownScheme, naming what is wrong; asks nobody."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        hint = f"write file://{text}" if text.startswith("/") else None
        raise InvalidSource(f"source {text!r}: no scheme", hint=hint)
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    host, slash, path = rest.partition("/")
    _check_path(text, path)
    if scheme == "file":
        return _file(text, host, path)
    if scheme == "nas":
        return _nas(text, host, slash, path)
    if scheme == "oss":
        return _oss(text, host, path)
    if scheme in HTTP_SCHEMES:
        return _http(text, scheme, host, path)
    if scheme not in BUCKET_SCHEMES and not _known_to_fsspec(scheme):
        raise UnknownScheme(f"source {text!r}: unknown scheme {scheme!r}")
    if not host:
        raise InvalidSource(f"source {text!r}: no bucket", hint=f"write it as {scheme}://bucket/prefix")
    return Source(scheme, f"{scheme}://{host}", _directory(path))


def _known_to_fsspec(scheme: str) -> bool:
    import fsspec  # noqa: PLC0415 20 ms of each start of a daemon, and hardly a mount has such a source

    return scheme not in _WRAPPERS and scheme in fsspec.available_protocols()


def _check_path(text: str, path: str) -> None:
    segments = path.removesuffix("/").split("/") if path else []
    if ".." in segments or "." in segments:
        raise InvalidSource(f"source {text!r}: '.' and '..' are not followed", hint="write the path without them")
    if "" in segments:
        raise InvalidSource(f"source {text!r}: empty path segment", hint="write single slashes")
    if any(ord(character) < ord(" ") or character == "\x7f" for character in text):
        raise InvalidSource(f"source {text!r}: control character", hint="remove it")


def _directory(path: str) -> str:
    return f"{path.removesuffix('/')}/" if path else ""


def _file(text: str, host: str, path: str) -> Source:
    if host:
        raise InvalidSource(f"source {text!r}: relative path", hint=f"write three slashes: file:///{host}/{path}")
    if not path:
        raise InvalidSource(f"source {text!r}: no directory", hint="name one below the root, as file:///srv/models")
    return Source("file", f"file:///{path.removesuffix('/')}", f"/{_directory(path)}")


def _nas(text: str, host: str, slash: str, path: str) -> Source:
    if not host or not slash:
        raise InvalidSource(f"source {text!r}: server or path missing", hint="write it as nas://server/export/path")
    if host.startswith("-"):
        raise InvalidSource(f"source {text!r}: {host!r} is not a server name", hint="write it as nas://server/path")
    authority = f"nas://{host}/{path}".removesuffix("/")
    return Source("nas", authority, f"/{_directory(path)}")


def _oss(text: str, host: str, path: str) -> Source:
    endpoint = ""
    if named := _OSS_HOST.fullmatch(host):
        host, endpoint = named["bucket"], named["endpoint"]
    if not host:
        raise InvalidSource(f"source {text!r}: no bucket", hint="write it as oss://bucket/prefix")
    if not _OSS_BUCKET.fullmatch(host):
        rule = "a bucket's name has 3 to 63 lower-case letters, digits and hyphens"
        raise InvalidSource(f"source {text!r}: {host!r} is not a bucket name", hint=rule)
    return Source("oss", f"oss://{host}", _directory(path), endpoint)


def _http(text: str, scheme: str, host: str, path: str) -> Source:
    if not host or "@" in host:
        problem = "user and password in the URL" if host else "no host"
        raise InvalidSource(f"source {scheme}://...: {problem}", hint=f"write it as {scheme}://host/path")
    if not path:
        raise InvalidSource(f"source {text!r}: no path", hint="name one object, or a directory of a WebDAV server")
    if "?" in path or "#" in path:
        raise InvalidSource(
            f"source {text!r}: query or fragment", hint="name a plain URL; signed URLs are not supported"
        )
    return Source(scheme, f"{scheme}://{host.lower()}", path)
