"""One libtorrent client in a process of its own, started in a namespace and steered over its standard streams.

It writes ``{"ready": true}`` when it listens and has the torrent, waits for a line on its input, then connects to its
peers and starts; writes ``{"finished": MONOTONIC}`` when every piece is there and its hash was right; seeds on until
the next line; writes its totals and ends. CLOCK_MONOTONIC is one clock for all namespaces of a machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import libtorrent

ALERT_MILLISECONDS = 200
ERRORS = libtorrent.alert.category_t.error_notification


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; 1 when the torrent was not complete within the deadline or libtorrent gave up on it."""
    options = _parser().parse_args(arguments)
    session = libtorrent.session(libtorrent.session_params(_settings(options)))
    torrent = session.add_torrent(_torrent(options))
    _say({"ready": True})
    sys.stdin.readline()
    torrent.resume()
    for peer in options.peer:
        torrent.connect_peer(_endpoint(peer))
    if not options.seed:
        _wait_until_finished(session, torrent, options.deadline_seconds)
        _say({"finished": time.monotonic()})
    sys.stdin.readline()
    _say(_totals(torrent))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaleout.rivals.torrent_node")
    add = parser.add_argument
    add("--torrent", type=Path, required=True, help="the .torrent file")
    add("--save", type=Path, required=True, help="the directory that holds the torrent's directory")
    add("--listen", required=True, metavar="ADDRESS:PORT")
    add("--peer", action="append", default=[], metavar="ADDRESS:PORT", help="connect to this one; may be given again")
    add("--web-seed", metavar="URL", help="where the torrent's directory is served over HTTP, without the directory")
    add("--seed", action="store_true", help="the files are complete and right")
    add("--super-seeding", action="store_true", help="show each peer only pieces that nobody has")
    add("--settings", type=json.loads, default={}, metavar="JSON", help="settings_pack")
    add("--deadline-seconds", type=float, default=900.0)
    return parser


def _settings(options: argparse.Namespace) -> libtorrent.settings_pack:
    settings: libtorrent.settings_pack = options.settings
    settings["listen_interfaces"] = options.listen
    settings["alert_mask"] = ERRORS | libtorrent.alert.category_t.status_notification
    return settings


def _torrent(options: argparse.Namespace) -> libtorrent.add_torrent_params:
    """Paused, and not managed: it starts when it is told to and never waits in a queue."""
    params = libtorrent.load_torrent_file(str(options.torrent))
    params.save_path = str(options.save)
    params.url_seeds = [options.web_seed] if options.web_seed else []
    flags = libtorrent.torrent_flags
    params.flags = flags.paused | flags.disable_dht | flags.disable_lsd | flags.disable_pex
    params.flags |= flags.seed_mode if options.seed else 0
    params.flags |= flags.super_seeding if options.super_seeding else 0
    return params


def _endpoint(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return address, int(port)


def _wait_until_finished(
    session: libtorrent.session, torrent: libtorrent.torrent_handle, timeout_seconds: float
) -> None:
    give_up = time.monotonic() + timeout_seconds
    while time.monotonic() < give_up:
        session.wait_for_alert(ALERT_MILLISECONDS)
        for alert in session.pop_alerts():
            if isinstance(alert, libtorrent.torrent_finished_alert):
                return
            if alert.category() & ERRORS:
                print(alert.message(), file=sys.stderr)
    raise SystemExit(f"not complete within {timeout_seconds:g} s: {torrent.status().progress:.1%}")


def _totals(torrent: libtorrent.torrent_handle) -> dict[str, int]:
    status = torrent.status()
    return {
        "received_bytes": status.total_payload_download,
        "sent_bytes": status.total_payload_upload,
        "duplicate_bytes": status.total_redundant_bytes + status.total_failed_bytes,
    }


def _say(what: Mapping[str, float]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
