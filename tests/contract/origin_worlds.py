"""The places the origin contract is checked in: an origin, and a way to change what lies behind it."""

from __future__ import annotations

import os
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, unquote

import fsspec

from benchmarks.ossserver import OssServer
from cachefs.origin import CredentialSettings, NasSettings, OriginSettings, parse_source
from cachefs.origin.fsspec_fs import FsspecOrigin
from cachefs.origin.memory import MemoryOrigin
from cachefs.origin.opening import open_origin
from cachefs.ports import Origin
from tests.contract.web_server import serving

STATIC = CredentialSettings(
    provider="static", access_key_id="test-access-key-id", access_key_secret="test-access-key-secret"
)


@dataclass
class World:
    """`put` overwrites; `prefix` is a directory that exists; `spell` is how a name is written in a key."""

    origin: Origin
    prefix: str
    uri: str
    put: Callable[[str, bytes], object]
    remove: Callable[[str], object]
    spell: Callable[[str], str] = str


@contextmanager
def memory(tmp_path: Path) -> Iterator[World]:
    origin = MemoryOrigin()
    yield World(origin, "m/", "memory://bucket/m/", origin.put, origin.remove)


def _files(directory: Path, key_root: str) -> tuple[Callable[[str, bytes], object], Callable[[str], object]]:
    def path(key: str) -> Path:
        return directory / key.removeprefix(key_root)

    def put(key: str, data: bytes) -> None:
        path(key).parent.mkdir(parents=True, exist_ok=True)
        fresh = path(key).with_name("being-written")
        fresh.write_bytes(data)
        fresh.replace(path(key))

    return put, lambda key: path(key).unlink()


@contextmanager
def posix(tmp_path: Path) -> Iterator[World]:
    source = parse_source(f"file://{tmp_path}/m")
    (tmp_path / "m").mkdir()
    origin = open_origin(source, OriginSettings(), state_dir=tmp_path / "state")
    put, remove = _files(tmp_path / "m", source.prefix)
    yield World(origin, source.prefix, source.uri, put, remove)
    origin.close()


def bind_mount(tmp_path: Path, export: Path) -> NasSettings:
    """Settings under which the directory `export` is what every NAS server exports: mount(8) binds it."""
    helper = tmp_path / "mount.fake"
    helper.write_text(f'#!/bin/sh\nfor target; do :; done\nexec mount --bind {export} "$target"\n')
    helper.chmod(0o755)
    return NasSettings(mount_command=(str(helper),))


@contextmanager
def nas(tmp_path: Path) -> Iterator[World]:
    export = tmp_path / "server"
    export.mkdir()
    source = parse_source("nas://filer.example/export/m")
    settings = OriginSettings(nas=bind_mount(tmp_path, export))
    origin = open_origin(source, settings, state_dir=tmp_path / "state")
    put, remove = _files(export, source.prefix)
    yield World(origin, source.prefix, source.uri, put, remove)
    origin.close()


@contextmanager
def nas_in_place(tmp_path: Path) -> Iterator[World]:
    """The node has mounted it already."""
    directory = tmp_path / "mnt" / "m"
    directory.mkdir(parents=True)
    source = parse_source("nas://filer.example/export/m")
    settings = OriginSettings(nas=NasSettings(directory=str(directory)))
    origin = open_origin(source, settings, state_dir=tmp_path / "state")
    put, remove = _files(directory, source.prefix)
    yield World(origin, source.prefix, source.uri, put, remove)
    origin.close()


@contextmanager
def _oss(tmp_path: Path, settings: OriginSettings) -> Iterator[World]:
    with OssServer(tmp_path) as server:
        server.create_bucket("models")
        settings = OriginSettings(
            endpoint=server.endpoint,
            region=server.region,
            credentials=settings.credentials,
            signature_version=settings.signature_version,
        )
        origin = open_origin(parse_source("oss://models/m"), settings, state_dir=tmp_path)
        yield World(
            origin,
            "m/",
            "oss://models/m/",
            lambda key, data: server.put("models", key, data),
            lambda key: server.delete("models", key),
        )
        origin.close()


@contextmanager
def oss_v4(tmp_path: Path) -> Iterator[World]:
    with _oss(tmp_path, OriginSettings(credentials=STATIC)) as world:
        yield world


@contextmanager
def oss_v1(tmp_path: Path) -> Iterator[World]:
    with _oss(tmp_path, OriginSettings(credentials=STATIC, signature_version="v1")) as world:
        yield world


@contextmanager
def s3(tmp_path: Path) -> Iterator[World]:
    with serving() as web:
        settings = OriginSettings(endpoint=web.url, region="us-east-1", credentials=STATIC)
        origin = open_origin(parse_source("s3://models/m"), settings, state_dir=tmp_path)
        yield World(
            origin,
            "m/",
            "s3://models/m/",
            lambda key, data: web.objects.update({f"models/{key}": data}),
            lambda key: web.objects.pop(f"models/{key}"),
        )
        origin.close()


@contextmanager
def web_etag(tmp_path: Path, etag_prefix: str | None = "") -> Iterator[World]:
    with serving() as web:
        web.etag_prefix = etag_prefix
        origin = open_origin(parse_source(f"{web.url}/m/object"), OriginSettings(), state_dir=tmp_path)

        def put(key: str, data: bytes) -> None:
            web.modified += 10
            web.objects[key] = data

        yield World(origin, "m/", f"{web.url}/m/", put, web.objects.pop)
        origin.close()


@contextmanager
def web_weak_etag(tmp_path: Path) -> Iterator[World]:
    with web_etag(tmp_path, "W/") as world:
        yield world


@contextmanager
def web_no_etag(tmp_path: Path) -> Iterator[World]:
    with web_etag(tmp_path, None) as world:
        yield world


@contextmanager
def rclone_serving(*arguments: str) -> Iterator[str]:
    """A server of rclone's, written by others; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    program = Path(sysconfig.get_path("scripts")) / "rclone"
    environment = {**os.environ, "RCLONE_CONFIG": os.devnull}
    process = subprocess.Popen([program, "serve", *arguments, "--addr", address, "-q"], env=environment)
    try:
        _wait_for(address)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str) -> None:
    host, _, port = address.partition(":")
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.01)  # asks again until the server answers; the test's own timeout ends it
        else:
            return


@contextmanager
def webdav(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "m").mkdir()
    with rclone_serving("webdav", str(tmp_path), "--etag-hash", "MD5", "--dir-cache-time", "0s") as url:
        source = parse_source(f"{url}/m/")
        origin = open_origin(source, OriginSettings(), state_dir=tmp_path)
        put, remove = _files(tmp_path / "m", "m/")
        yield World(origin, "m/", source.uri, put, remove)
        origin.close()


@contextmanager
def fsspec_memory(tmp_path: Path) -> Iterator[World]:
    source = parse_source("memory://bucket/m")
    origin = open_origin(source, OriginSettings(), state_dir=tmp_path)
    files = fsspec.filesystem("memory")
    files.mkdirs("/bucket/m", exist_ok=True)
    try:
        yield World(
            origin,
            "m/",
            source.uri,
            lambda key, data: files.pipe_file(f"/bucket/{key}", data),
            lambda key: files.rm_file(f"/bucket/{key}"),
        )
    finally:
        origin.close()
        files.rm("/bucket", recursive=True)


@contextmanager
def fsspec_http(tmp_path: Path) -> Iterator[World]:
    with serving() as web:
        files = fsspec.filesystem("http", skip_instance_cache=True, use_listings_cache=False)
        origin = FsspecOrigin(web.url, files, f"{web.url}/")
        yield World(
            origin,
            "m/",
            f"{web.url}/m/",
            lambda key, data: web.objects.update({unquote(key): data}),
            lambda key: web.objects.pop(unquote(key)),
            spell=quote,  # to fsspec a key is a URL
        )
        origin.close()


_OBJECT_STORES = (memory, oss_v4, oss_v1, s3, web_etag, web_weak_etag, web_no_etag, webdav)
_FILE_SYSTEMS = (posix, nas, nas_in_place, fsspec_memory, fsspec_http)
WORLDS = MappingProxyType({world.__name__: world for world in (*_OBJECT_STORES, *_FILE_SYSTEMS)})
