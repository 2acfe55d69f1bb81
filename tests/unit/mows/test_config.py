"""`mows.yaml` and the environment: what is accepted, and the one message for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from mows.config import Config, load_config, parse_config, rule_for
from mows.errors import ConfigError
from mows.units import Seconds

TIERS = "cache: {tiers: [{path: /t, capacity: 1GiB}]}\n"
EXAMPLE = Path(__file__).parents[3] / "deploy" / "mows.example.yaml"


def parse(text: str, **environment: str) -> Config:
    return parse_config(text, "mows.yaml", environment)


def refusal(text: str, **environment: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, **environment)
    return caught.value


def test_the_example_has_every_key_of_the_design() -> None:
    config = load_config(EXAMPLE)
    assert (config.node.id, config.node.zone) == ("node-a", "z1")
    assert [tier.capacity_bytes for tier in config.cache.tiers] == [8 << 30, 200 << 30]
    assert config.cache.tiers[1].min_free_bytes == 10 << 30
    assert config.peers.discovery is not None
    assert config.peers.discovery.static == ("10.0.0.2:9302",)
    assert config.peers.wanted
    assert config.origins[0].credentials.provider == "ecs_ram_role"
    assert config.mounts.allowed_roots == (Path("/var/lib/mows/mounts"), Path("/models"))
    assert config.mounts.refresh == Seconds(600)


def test_defaults_suffice_apart_from_the_tiers() -> None:
    config = parse(TIERS)
    assert config.cache.chunk_bytes == 8 << 20
    assert config.api.listen is None
    assert config.daemon.stop_timeout == Seconds(30)
    assert not config.peers.wanted
    assert config.node.id


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (TIERS + "nodes: {}", "mows.yaml: nodes: unknown key", "did you mean 'node'?"),
        (TIERS + "node: {ident: a}", "mows.yaml: node.ident: unknown key", "known here: id, state_dir, zone"),
        ("cache: {tiers: [{path: /t, capcity: 1}]}", "cache.tiers[0].capcity: unknown key", "did you mean 'capacity'?"),
        ("cache: {tiers: [{path: /t, capacity: 8 Gibs}]}", "cache.tiers[0].capacity: '8 Gibs' is not a size", "200GiB"),
        (
            "cache: {tiers: [{path: t, capacity: 1}]}",
            "cache.tiers[0].path: 't' is not an absolute path",
            "begins with /",
        ),
        ("cache: {tiers: [{path: /t}]}", "cache.tiers[0].capacity: is missing", "no default"),
        ("cache: {tiers: []}", "cache.tiers: there is no tier", "name at least one"),
        ("cache: {tiers: /t}", "cache.tiers: '/t' is not a list", "brackets"),
        ("cache: /t", "cache: '/t' is not a mapping", "tiers"),
        ("", "mows.yaml: cache: is missing", "cache.tiers"),
        (TIERS + "daemon: {stop_timeout: soon}", "daemon.stop_timeout: 'soon' is not a duration", "2h"),
        (TIERS + "fuse: {allow_other: 1}", "fuse.allow_other: 1 is not true or false", "true or false"),
        (TIERS + "fuse: {threads: 4.5}", "fuse.threads: 4.5 is not a whole number", "without a unit"),
        (TIERS + "fuse: {threads: 0}", "fuse.threads: 0 threads", "1 or more"),
        (TIERS + "log: {level: warn}", "log.level: 'warn' is none of", "did you mean 'warning'?"),
        (TIERS + "node: {id: 7}", "node.id: 7 is not text", "quotes"),
        (TIERS + "api: {listen: '0.0.0.0:9301'}", "api.listen: '0.0.0.0:9301' can be reached", "api.token_file"),
        (
            TIERS + "api: {listen: '0.0.0.0:9301', tls: {cert: /c, key: /k}}",
            "callers need neither token nor certificate",
            "api.tls.ca",
        ),
        (TIERS + "api: {socket_mode: 0660}", "api.socket_mode: 432 are no permissions", "in quotes"),
        (TIERS + "api: {socket_mode: '0999'}", "api.socket_mode: '0999' are no permissions", "in quotes"),
        (TIERS + "mounts: {allowed_sources: [models]}", "mounts.allowed_sources[0]: 'models' is not", "oss://bucket/"),
        (TIERS + "api: {listen: '127.0.0.1:8080'}", "api.listen: '127.0.0.1:8080' uses port 8080", "host:port"),
        (TIERS + "peers: {listen: '0.0.0.0:9302'}", "peers.listen: '0.0.0.0:9302' can be reached", "insecure: true"),
        (TIERS + "peers: {listen: '127.0.0.1:9089'}", "peers.listen: '127.0.0.1:9089' puts the bulk lane", "9302"),
        (
            TIERS + "peers: {listen: '127.0.0.1:65535'}",
            "peers.listen: '127.0.0.1:65535' leaves no next port",
            "9302",
        ),
        (
            TIERS + "peers: {listen: '0.0.0.0:9302', insecure: true}",
            "peers.advertise: is missing, and '0.0.0.0:9302' (peers.listen)",
            "10.0.0.1:9302",
        ),
        (TIERS + "peers: {listen: '[::]:9302', insecure: true}", "peers.advertise: is missing", "10.0.0.1:9302"),
        (
            TIERS + "peers: {listen: '127.0.0.1:9302', advertise: '0.0.0.0:9302'}",
            "peers.advertise: '0.0.0.0:9302' is no address that others could reach",
            "10.0.0.1:9302",
        ),
        (
            TIERS + "peers: {listen: '127.0.0.1:9302', advertise: 'a:0'}",
            "peers.advertise: 'a:0' has port 0",
            "such as 9302",
        ),
        (
            TIERS + "peers: {listen: '0.0.0.0:9302', tls: {cert: /c, key: /k}}",
            "peers.tls.ca: is missing",
            "authority",
        ),
        (TIERS + "peers: {discovery: {dns: 'a:9302'}}", "peers.listen: is missing", "0.0.0.0:9302"),
        (TIERS + "peers: {downloads: 13}", "peers.downloads: 13 is more than peers.uploads, 12", "peers.uploads"),
        (TIERS + "peers: {uploads: 0}", "peers.uploads: 0 at a time", "1 or more"),
        (TIERS + "peers: {uplink: 0}", "peers.uplink: 0 bytes per second", "null for no limit"),
        (TIERS + "peers: {uplink: fast}", "peers.uplink: 'fast' is not a size", "200GiB"),
        (
            TIERS + "peers: {listen: '127.0.0.1:9302', uplink: 1000KiB}",
            "peers.uplink: 1000KiB per second are less than one chunk of 8MiB",
            "bytes per second",
        ),
        (
            TIERS + "peers: {listen: '127.0.0.1:9302', bytes_in_flight: 1MiB}",
            "peers.bytes_in_flight: 1MiB holds not even one chunk of 8MiB",
            "256MiB",
        ),
        (
            TIERS + "peers: {discovery: {static: ['a:9302', 'b:0']}}",
            "peers.discovery.static[1]: 'b:0' has port 0",
            "such as 9302",
        ),
        (TIERS + "peers: {discovery: {dns: 'b:0'}}", "peers.discovery.dns: 'b:0' has port 0", "such as 9302"),
        (
            TIERS + "peers: {discovery: {redis: 'http://u:hush@h:1/'}}",
            "peers.discovery.redis: the value is not the URL of a Redis server",
            "redis://host:6379/0",
        ),
        (TIERS + "peers: {discovery: {}}", "peers.discovery.static: says neither", "exactly one"),
        (TIERS + "peers: {discovery: {static: [], redis: x}}", "redis: static and redis exclude", "exactly one"),
        (TIERS + "origins: [{match: bucket}]", "origins[0].match: 'bucket' is not the beginning", "oss://bucket/"),
        (
            TIERS + "origins: [{match: 'oss://b/', credentials: {provider: ram}}]",
            "credentials.provider: 'ram'",
            "ram_role",
        ),
        (
            TIERS + "origins: [{match: 'oss://b/', credentials: {provider: file}}]",
            "credentials.path: is missing",
            "set path",
        ),
        (
            TIERS + "origins: [{match: 'oss://b/', credentials: {provider: env, role: x}}]",
            "role: means nothing",
            "remove",
        ),
        (
            "cache: {tiers: [{path: /t, capacity: 1}], chunk_bytes: 5000}",
            "cache.chunk_bytes: 5000B is not a multiple",
            "8MiB",
        ),
        (
            TIERS + "fetch: {memory: 16MiB}",
            "mows.yaml: fetch.memory: 16MiB holds fewer than 4 chunks",
            "raise fetch.memory",
        ),
        ("- a", "mows.yaml: is not a mapping of sections", "begin with a section"),
        ("cache: {\n", "mows.yaml:2:", "correct the YAML"),
        ("cache: {}\ncache: {}", "mows.yaml:2: the key 'cache' is given twice", "correct the YAML"),
    ],
)
def test_one_clear_message(text: str, message: str, hint: str) -> None:
    error = refusal(text)
    assert message in str(error)
    assert hint in error.hint


def test_the_environment_overrides_the_file() -> None:
    config = parse(
        TIERS + "node: {id: a, zone: z1}\nlog:",
        MOWS_NODE__ID="b",
        MOWS_LOG__LEVEL="debug",
        MOWS_PEERS__LISTEN="127.0.0.1:9302",
        MOWS_PEERS__DISCOVERY__DNS="mows-peers:9302",
        MOWS_CACHE__TIERS="[{path: /other, capacity: 2GiB}]",
        PATH="/bin",
    )
    assert (config.node.id, config.node.zone, config.log.level) == ("b", "z1", "debug")
    assert config.peers.discovery is not None
    assert config.peers.discovery.dns == "mows-peers:9302"
    assert config.cache.tiers[0].path == Path("/other")


def test_a_wrong_variable_is_named_instead_of_the_file() -> None:
    error = refusal(TIERS, MOWS_DAEMON__STOP_TIMEOUT="soon")
    assert str(error).startswith("MOWS_DAEMON__STOP_TIMEOUT: daemon.stop_timeout: 'soon'")
    error = refusal(TIERS, MOWS_NODE__NAME="a")
    assert str(error) == "MOWS_NODE__NAME: node.name: unknown key"
    error = refusal(TIERS, MOWS_CACHE__TIERS__0__CAPACITY="1GiB")
    assert "MOWS_CACHE__TIERS__0__CAPACITY: tiers holds no named keys" in str(error)


def test_variables_of_a_kubernetes_service_are_left_alone() -> None:
    assert parse(TIERS, MOWS_PEERS_SERVICE_HOST="10.0.0.1", MOWS_PORT="tcp://10.0.0.1:9301") == parse(TIERS)


def test_words_that_yaml_reads_as_truth_values() -> None:
    assert parse(TIERS + "fuse: {passthrough: off}").fuse.passthrough == "off"
    assert parse(TIERS + "fuse: {passthrough: 'on'}").fuse.passthrough == "on"


def test_options_of_an_origin_are_text() -> None:
    config = parse(TIERS + "origins: [{match: 's3://', options: {allow_http: true, retries: 3}}]")
    assert config.origins[0].options == {"allow_http": "true", "retries": "3"}


def test_a_secret_is_in_no_message_and_no_repr() -> None:
    keys = "provider: static, access_key_id: AK"
    error = refusal(TIERS + f"origins: [{{match: 'oss://b/', credentials: {{{keys}, access_key_secret: 12345}}}}]")
    assert "12345" not in str(error)
    config = parse(TIERS + f"origins: [{{match: 'oss://b/', credentials: {{{keys}, access_key_secret: hush}}}}]")
    assert "hush" not in repr(config)
    assert "hush" not in str(refusal(TIERS + "peers: {discovery: {redis: 'http://:hush@host/'}}"))
    peers = parse(TIERS + "peers: {listen: '127.0.0.1:9302', discovery: {redis: 'redis://:hush@host/'}}").peers
    assert "hush" not in repr(peers)


def test_without_the_lane_no_next_port_is_needed() -> None:
    assert parse(TIERS + "peers: {listen: '127.0.0.1:65535', lane: false}").peers.wanted
    assert parse(TIERS + "peers: {listen: '127.0.0.1:9089', lane: false}").peers.wanted


def test_limits_of_peers_do_not_matter_without_peers() -> None:
    assert not parse(TIERS + "peers: {bytes_in_flight: 1MiB}").peers.wanted


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load_config(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"node: {id: \xe9}")
    with pytest.raises(ConfigError, match=r"latin\.yaml: is not UTF-8"):
        load_config(tmp_path / "latin.yaml")


def test_the_longest_match_wins() -> None:
    config = parse(TIERS + "origins: [{match: 'oss://'}, {match: 'oss://b/models/'}, {match: 'oss://b/'}]")
    assert rule_for(config.origins, "oss://b/models/q/") is config.origins[1]
    assert rule_for(config.origins, "oss://b/other/") is config.origins[2]
    assert rule_for(config.origins, "oss://c/") is config.origins[0]
    assert rule_for(config.origins, "file:///srv") is None
