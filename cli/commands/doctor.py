"""``mows doctor``: every check, one line each as it is made, with what to do."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from cli.doctor import configuration, identity_files, kernel, limits, origins, passthrough, peers, service, tiers
from cli.doctor.configuration import DEFAULT_CONFIG
from cli.doctor.finding import Finding, Level
from cli.endpoint import DEFAULT_SOCKET, Endpoint
from cli.exit_codes import ExitCode
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line, emit_styled
from cli.units import count_text
from mows.config import Config
from mows.peer_settings import peer_settings
from peer.rpc.hello import GrpcProber
from peer.rpc.security import Security
from peer.rpc.traffic import Traffic

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command("doctor", help="Check this node and the configuration, and say what to do.")
@click.option(
    "--config", "path", type=click.Path(path_type=Path), help=f"The daemon's configuration. [{DEFAULT_CONFIG}, if any]"
)
@with_invocation
def command(invocation: Invocation, path: Path | None) -> None:
    """Exit code 7 when a check fails; warnings alone are 0."""
    findings = check_everything(invocation.endpoint, path)
    if invocation.as_json:
        shown = list(findings)
        emit_json({"findings": [asdict(finding) for finding in shown]})
    else:
        shown = list(_emit_each(findings))
        emit_line(summary(shown))
    failed = any(finding.level is Level.FAIL for finding in shown)
    click.get_current_context().exit(ExitCode.CHECK_FAILED if failed else ExitCode.OK)


def check_everything(endpoint: Endpoint, path: Path | None) -> Iterator[Finding]:
    """The node first, then what the configuration names. Blocks: tries things, waits for origins."""
    finding, config = configuration.read(path, dict(os.environ))
    yield from kernel.probe()
    yield passthrough.probe(wanted=configuration.wanted_passthrough(config))
    yield finding
    if config is None:
        yield from limits.probe(memory_tier_bytes=0)
    else:
        if endpoint == Endpoint(DEFAULT_SOCKET):
            # Nobody said where the daemon is but the configuration.
            endpoint = Endpoint(config.api.socket)
        yield from _check_configured(config)
        yield from check_peers(config, endpoint)
    yield service.daemon(endpoint)


def _check_configured(config: Config) -> Iterator[Finding]:
    configured = configuration.tiers(config)
    yield from tiers.probe(configured)
    yield from limits.probe(tiers.memory_bytes(configured))
    yield from service.directories(config.node.state_dir, config.api.socket)
    yield from identity_files.of_api(config.api)
    yield service.keeper(config.daemon.keeper)
    with configuration.origin_targets(config) as targets:
        yield from origins.probe(targets)


def check_peers(config: Config, endpoint: Endpoint) -> Iterator[Finding]:
    """Nothing for a node without peers. The running daemon says hello to others by itself, so it is asked instead."""
    wanted = peer_settings(config)
    if wanted is None:
        return
    files = list(identity_files.of_peers(config.peers))
    yield from files
    found, addresses = peers.find(config.peers.discovery)
    yield found
    running = service.peers(endpoint)
    if running is not None:
        yield from peers.of_daemon(running)
        return
    if any(finding.level is Level.FAIL for finding in files):
        return  # nobody could let this node in
    mine = peers.introduced(wanted)
    prober = GrpcProber(lambda: mine, Security(wanted.security), Traffic())
    yield from asyncio.run(peers.greet(addresses, mine.address, prober))


def _emit_each(findings: Iterable[Finding]) -> Iterator[Finding]:
    for finding in findings:
        emit_styled(f"{finding.level:<4}", _COLOURS[finding.level], f"  {finding.name}: {finding.message}")
        if finding.remedy:
            emit_line(f"      -> {finding.remedy}")
        yield finding


def summary(findings: Iterable[Finding]) -> str:
    """``12 ok, 1 warning, 0 failures``."""
    counts = Counter(finding.level for finding in findings)
    warnings, failures = count_text(counts[Level.WARN], "warning"), count_text(counts[Level.FAIL], "failure")
    return f"{counts[Level.OK]} ok, {warnings}, {failures}"
