"""The server as a process of its own: ``python -m benchmarks.ossserver --root DIR --bucket models``.

Prints one line of JSON when it is ready (endpoint, region, buckets, control) and runs until SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path

from .control import ControlServer
from .server import DEFAULT_ACCESS_KEYS, OssServer


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal; 0."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before any thread exists, so that sigwait below gets them
    options = _parser().parse_args(arguments)
    with _server(options) as server:
        _fill(server, options)
        control = ControlServer(server)
        control.start()
        print(json.dumps(_ready(server, control, options)), flush=True)
        signal.sigwait(signals)
        control.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    access_key_id, access_key_secret = next(iter(DEFAULT_ACCESS_KEYS.items()))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ossserver", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--root", type=Path, required=True, help="directory for the objects' bytes; emptied of them at the end")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=0, help="port to listen on (default: a free one)")
    add("--region", default="cn-hangzhou", help="region that V4 signatures must name (default: %(default)s)")
    add("--bucket", action="append", default=[], help="create this bucket; may be given again")
    add("--tree", nargs=3, action="append", default=[], metavar=("BUCKET", "PREFIX", "DIR"), help="store a directory")
    add("--access-key-id", default=access_key_id, help="(default: %(default)s)")
    add("--access-key-secret", default=access_key_secret, help="(default: %(default)s)")
    add("--anonymous", action="store_true", help="answer requests without a signature too")
    add("--no-v1", action="store_true", help="refuse signatures of version 1")
    add("--bandwidth", type=float, metavar="BYTES_PER_SECOND", help="limit for all clients together")
    add("--client-bandwidth", type=float, metavar="BYTES_PER_SECOND", help="limit for each client address")
    add("--latency", type=float, default=0.0, metavar="SECONDS", help="wait before every answer")
    return parser


def _server(options: argparse.Namespace) -> OssServer:
    server = OssServer(
        options.root,
        host=options.host,
        port=options.port,
        region=options.region,
        access_keys={options.access_key_id: options.access_key_secret},
        require_signature=not options.anonymous,
        allow_v1=not options.no_v1,
    )
    if options.bandwidth or options.client_bandwidth:
        server.faults.limit_bandwidth(
            total_bytes_per_second=options.bandwidth, per_client_bytes_per_second=options.client_bandwidth
        )
    if options.latency:
        server.faults.latency(options.latency)
    return server


def _fill(server: OssServer, options: argparse.Namespace) -> None:
    for bucket in options.bucket:
        server.create_bucket(bucket)
    for bucket, prefix, directory in options.tree:
        server.create_bucket(bucket)
        server.put_tree(bucket, prefix, Path(directory))


def _ready(server: OssServer, control: ControlServer, options: argparse.Namespace) -> dict[str, object]:
    return {
        "endpoint": server.endpoint,
        "port": server.port,
        "region": server.region,
        "buckets": options.bucket,
        "control": str(control.socket),
        "access_key_id": options.access_key_id,
    }


if __name__ == "__main__":
    raise SystemExit(main())
