"""Every manifest is one that Kubernetes takes, and its parts fit each other and the daemon's configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import jsonschema
import kubernetes_validate
import pytest
import yaml

from mows.config import Config, parse_config
from tests.deploy.rendering import (
    DEPLOY,
    Document,
    chart,
    container,
    kustomized,
    named,
    of_kind,
    overlays,
    pod_of,
    strings,
)

OLDEST, NEWEST = "1.25", "1.37"
SCHEMAS = Path(__file__).with_name("schemas")
OWN_SCHEMAS = {
    kind: json.loads((SCHEMAS / f"{kind.lower()}.json").read_text()) for kind in ("PodMonitor", "PrometheusRule")
}
REST_BYTES = 512 << 20
"""What the daemon takes besides its memory tier: docs/OPERATIONS.md, Sizing."""

TLS = {"cert": "/etc/mows/tls/tls.crt", "key": "/etc/mows/tls/tls.key", "ca": "/etc/mows/tls/ca.crt"}
API_TLS = {name: TLS[name] for name in ("cert", "key")}
CHARTS: dict[str, dict[str, object]] = {
    "chart": {},
    "chart with everything": {
        "monitoring": {"enabled": True, "labels": {"release": "prometheus"}, "runbookBase": "https://example.com/"},
        "hostNetwork": True,
        "hostPID": True,
        "hostPaths": {"cache": "/mnt/nvme/mows", "tls": "/etc/mows/tls"},
        "config": {"api": {"tls": API_TLS}, "peers": {"tls": TLS}},
        "nodeSelector": {"nvidia.com/gpu.present": "true"},
        "imagePullSecrets": [{"name": "registry"}],
        "daemon": {"env": [{"name": "MOWS_LOG__LEVEL", "value": "debug"}], "maxUnavailable": "5%"},
    },
    "chart without CSI": {"csi": {"enabled": False}, "config": {"csi": None}, "networkPolicy": {"enabled": False}},
}
EXAMPLES = sorted((DEPLOY / "examples").glob("*.yaml"))

Manifests = tuple[Document, ...]


@pytest.fixture(scope="module", params=[*overlays(), *CHARTS])
def manifests(request: pytest.FixtureRequest) -> Manifests:
    """All documents of one way to install MoWS."""
    name: str = request.param
    return chart(CHARTS[name]) if name in CHARTS else kustomized(name)


def validate(document: Document) -> None:
    """Raises what the schemas say against it, in the oldest and in the newest Kubernetes."""
    if document["kind"] in OWN_SCHEMAS:
        jsonschema.validate(document, OWN_SCHEMAS[document["kind"]])
        return
    for version in (OLDEST, NEWEST):
        kubernetes_validate.validate(document, version, strict=True)


def config_of(manifests: Manifests) -> Config:
    """mows.yaml as the daemon reads it in its pod."""
    values = {"POD_IP": "10.0.0.7"}
    for variable in container(named(manifests, "DaemonSet", "mows"), "daemon")["env"]:
        given = {"MOWS_NODE__ID": "node-a", "MOWS_NODE__ZONE": "", "MOWS_PEERS__DISCOVERY__REDIS": "redis://r:6379/0"}
        value = variable.get("value", given.get(variable["name"], values["POD_IP"]))
        values[variable["name"]] = value.replace("$(POD_IP)", values["POD_IP"])
    return parse_config(named(manifests, "ConfigMap", "mows-config")["data"]["mows.yaml"], "mows.yaml", values)


def test_kubernetes_takes_every_document(manifests: Manifests) -> None:
    for document in manifests:
        validate(document)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_kubernetes_takes_the_examples(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        validate(document)


def test_the_schemas_refuse_a_typing_error() -> None:
    daemon = json.loads(json.dumps(named(kustomized("base"), "DaemonSet", "mows")))
    pod_of(daemon)["containers"][0]["volumeMount"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(daemon)


def test_the_daemon_takes_its_configuration(manifests: Manifests) -> None:
    config = config_of(manifests)
    assert config.node.id == "node-a"
    assert config.node.zone is None
    assert config.peers.advertise == "10.0.0.7:9302"


def test_each_file_and_directory_of_the_configuration_is_a_volume_of_the_pod(manifests: Manifests) -> None:
    daemon = container(named(manifests, "DaemonSet", "mows"), "daemon")
    mounted = [PurePosixPath(mount["mountPath"]) for mount in daemon["volumeMounts"]]
    raw = yaml.safe_load(named(manifests, "ConfigMap", "mows-config")["data"]["mows.yaml"])
    paths = [PurePosixPath(text) for text in strings(raw) if text.startswith("/")]
    assert len(paths) > 5
    assert not [str(path) for path in paths if not any(path.is_relative_to(place) for place in mounted)]


def test_the_memory_limit_has_room_for_the_memory_tier_and_the_daemon(manifests: Manifests) -> None:
    in_memory = [tier for tier in config_of(manifests).cache.tiers if tier.path.is_relative_to("/dev/shm")]
    limit = container(named(manifests, "DaemonSet", "mows"), "daemon")["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("Gi")) << 30 >= sum(tier.capacity_bytes for tier in in_memory) + REST_BYTES


def test_a_pod_has_the_time_that_a_stop_may_take(manifests: Manifests) -> None:
    grace_seconds = pod_of(named(manifests, "DaemonSet", "mows"))["terminationGracePeriodSeconds"]
    assert grace_seconds > config_of(manifests).daemon.stop_timeout


def test_the_daemon_asks_the_keeper_where_that_listens_and_a_rollout_leaves_it_alone(manifests: Manifests) -> None:
    keeper = named(manifests, "DaemonSet", "mows-keeper")
    command = container(keeper, "keeper")["command"]
    assert command[command.index("--socket") + 1] == str(config_of(manifests).daemon.keeper)
    assert keeper["spec"]["updateStrategy"] == {"type": "OnDelete"}
    sockets = [one["hostPath"]["path"] for one in (_volumes(keeper)["run"], _volumes(_daemon(manifests))["run"])]
    assert sockets == ["/run/mows", "/run/mows"]
    assert pod_of(keeper).get("nodeSelector") == pod_of(_daemon(manifests)).get("nodeSelector")
    assert pod_of(keeper).get("tolerations") == pod_of(_daemon(manifests)).get("tolerations")


def test_only_the_daemon_is_privileged_and_it_keeps_one_capability(manifests: Manifests) -> None:
    for document in of_kind(manifests, "DaemonSet"):
        for one in pod_of(document)["containers"]:
            security = one["securityContext"]
            assert security["readOnlyRootFilesystem"]
            if one["name"] == "daemon":
                assert "--bounding-set=-all,+sys_admin" in one["command"]
                assert "--no-new-privs" in one["command"]
            else:
                assert "privileged" not in security
                assert security["capabilities"] == {"drop": ["ALL"]}
                assert not security["allowPrivilegeEscalation"]
                assert security["seccompProfile"] == {"type": "RuntimeDefault"}


def test_mounts_travel_to_the_host_only_from_privileged_containers(manifests: Manifests) -> None:
    """The API server refuses everything else; the schemas do not know that."""
    for document in of_kind(manifests, "DaemonSet"):
        for one in pod_of(document)["containers"]:
            both_ways = [mount for mount in one["volumeMounts"] if mount.get("mountPropagation") == "Bidirectional"]
            assert bool(both_ways) == bool(one["securityContext"].get("privileged"))


def test_every_mounted_volume_is_there_and_every_volume_is_mounted(manifests: Manifests) -> None:
    for document in of_kind(manifests, "DaemonSet"):
        mounted = {mount["name"] for one in pod_of(document)["containers"] for mount in one["volumeMounts"]}
        assert mounted == set(_volumes(document))


def test_every_configuration_that_is_named_is_there_and_every_secret_is_explained(manifests: Manifests) -> None:
    guide = (DEPLOY.parent / "docs" / "DEPLOY.md").read_text()
    here = {document["metadata"]["name"] for document in of_kind(manifests, "ConfigMap")}
    for document in of_kind(manifests, "DaemonSet"):
        for volume in pod_of(document)["volumes"]:
            assert "configMap" not in volume or volume["configMap"]["name"] in here
            assert "secret" not in volume or f"generic {volume['secret']['secretName']} " in guide


def test_selectors_find_the_pods_they_mean(manifests: Manifests) -> None:
    pods = [document["spec"]["template"]["metadata"]["labels"] for document in of_kind(manifests, "DaemonSet")]
    for kind, selector in _selectors(manifests):
        found = [labels for labels in pods if selector.items() <= labels.items()]
        assert len(found) == 1, f"{kind} selects {len(found)} of our pods: {selector}"


def test_every_port_that_is_named_is_one_of_the_daemon(manifests: Manifests) -> None:
    daemon = container(_daemon(manifests), "daemon")
    ports = {port["name"]: port["containerPort"] for port in daemon["ports"]}
    config = config_of(manifests)
    assert config.api.listen is not None
    assert config.peers.listen is not None
    assert config.api.listen.endswith(f":{ports['api']}")
    assert config.peers.listen.endswith(f":{ports['peers']}")
    assert ports["lane"] == ports["peers"] + 1
    used = {port["targetPort"] for service in of_kind(manifests, "Service") for port in service["spec"]["ports"]}
    used |= {daemon[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert used == {"api", "peers", "lane"}


def test_probes_and_scrapes_speak_tls_where_the_daemon_does(manifests: Manifests) -> None:
    daemon = container(_daemon(manifests), "daemon")
    expected = "HTTP" if config_of(manifests).api.tls is None else "HTTPS"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert daemon[probe]["httpGet"]["scheme"] == expected
    for monitor in of_kind(manifests, "PodMonitor"):
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint.get("scheme", "http").upper() == expected


def test_peers_with_certificates_have_addresses_that_stay(manifests: Manifests) -> None:
    if config_of(manifests).peers.tls is not None:
        assert pod_of(_daemon(manifests))["hostNetwork"]


def test_images_have_a_version(manifests: Manifests) -> None:
    for document in of_kind(manifests, "DaemonSet"):
        for one in pod_of(document)["containers"]:
            assert re.search(r":v?\d+\.\d+\.\d+$", one["image"])


def test_the_kubelet_finds_the_driver_where_the_daemon_listens(manifests: Manifests) -> None:
    registrars = [one for one in pod_of(_daemon(manifests))["containers"] if one["name"] == "node-driver-registrar"]
    drivers = [document["metadata"]["name"] for document in of_kind(manifests, "CSIDriver")]
    socket = config_of(manifests).csi.socket
    assert len(registrars) == len(drivers) == (socket is not None)
    for registrar in registrars:
        arguments = dict(argument.removeprefix("--").split("=") for argument in registrar["args"])
        assert arguments["csi-address"] == str(socket)
        host = _volumes(_daemon(manifests))["csi"]["hostPath"]["path"]
        assert arguments["kubelet-registration-path"] == f"{host}/csi.sock"
        assert host.endswith(f"/plugins/{drivers[0]}")


def _daemon(manifests: Manifests) -> Document:
    return named(manifests, "DaemonSet", "mows")


def _volumes(document: Document) -> dict[str, Document]:
    return {volume["name"]: volume for volume in pod_of(document)["volumes"]}


def _selectors(manifests: Manifests) -> Iterator[tuple[str, dict[str, str]]]:
    for document in manifests:
        spec = document.get("spec", {})
        match document["kind"]:
            case "Service":
                yield "Service", spec["selector"]
            case "DaemonSet" | "PodDisruptionBudget" | "PodMonitor":
                yield document["kind"], spec["selector"]["matchLabels"]
            case "NetworkPolicy":
                yield "NetworkPolicy", spec["podSelector"]["matchLabels"]
