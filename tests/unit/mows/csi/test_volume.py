"""What a request says, read by pure functions; and what the kubelet is told."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mows.csi.errors
from cachefs.errors import CacheError, OriginUnavailable, SourceError
from mows.config import CsiSection
from mows.config.binding import Unusable
from mows.csi import csi_pb2 as pb
from mows.csi.condition import condition
from mows.csi.errors import VolumeError
from mows.csi.propagation import is_shared
from mows.csi.service import ANSWER_SECONDS, PUBLISH_SECONDS, publish_seconds
from mows.csi.status import STATUS, details_of, status_of
from mows.csi.volume import VolumeAt, publication
from mows.csi.volumes import VolumeStatus
from mows.errors import ServiceError
from mows.mount import MountStatus
from mows.mount_spec import MountSpec
from mows.mount_state import SERVING, MountState
from mows.progress import ByteCounts
from tests.kubelet import Mode, Volume

TARGET = Path("/var/lib/kubelet/pods/1/volumes/kubernetes.io~csi/m/mount")
ROOT = Path(__file__).parents[4]


def test_attributes_are_those_of_a_mount() -> None:
    attributes = {"source": "oss://models/m/", "warm": "true", "lease": "2h", "refresh": "0"}
    read = publication(Volume("v", TARGET, attributes).request(), ["oss://models"])
    assert read.spec == MountSpec("oss://models/m/", str(TARGET), warm=True, lease_seconds=7200.0, refresh_seconds=0.0)
    assert read.keys is None
    assert read.pod == "serving/vllm-0"


def test_a_volume_with_secrets_names_them_and_shows_them_to_nobody() -> None:
    secrets = {"access_key_id": "an-id", "access_key_secret": "a-secret", "security_token": "a-token"}
    read = publication(Volume("v", TARGET, {"source": "oss://models/m/"}, secrets).request(), ["oss://"])
    assert read.spec.keys == read.volume.mount_id
    assert "a-secret" not in repr(read)
    assert "an-id" not in repr(read)


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), unique=True, max_size=20))
def test_every_volume_and_path_has_an_id_of_its_own_that_a_mount_may_have(pairs: list[tuple[str, str]]) -> None:
    pairs = [(volume, path) for volume, path in pairs if "\0" not in volume + path]
    ids = {VolumeAt(volume, path).mount_id for volume, path in pairs}
    assert len(ids) == len(pairs)
    assert all(name.startswith("csi-") and name[4:].isalnum() and len(name) == 36 for name in ids)


@given(
    st.dictionaries(st.sampled_from(["source", "warm", "lease", "refresh", "csi.storage.k8s.io/x", "y"]), st.text()),
    st.dictionaries(st.sampled_from(["access_key_id", "access_key_secret", "security_token", "z"]), st.text()),
    st.sampled_from(Mode.values()),
)
def test_whatever_is_asked_is_read_or_refused_by_name(
    attributes: dict[str, str], secrets: dict[str, str], mode: pb.VolumeCapability.AccessMode.Mode
) -> None:
    request = Volume("v", TARGET, attributes, secrets, mode).request()
    try:
        read = publication(request, ["oss://"])
    except (VolumeError, ServiceError, SourceError) as error:
        code: grpc.StatusCode | None = status_of(error)
    else:
        assert read.spec.source.startswith("oss://")
        code = None
    assert code in {None, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED}


def test_every_error_of_the_driver_has_a_status_and_a_place_in_the_document() -> None:
    kinds = VolumeError.__subclasses__()
    document = (ROOT / "docs" / "CSI.md").read_text()
    assert kinds
    assert [kind for kind in kinds if kind not in STATUS] == []
    assert [kind.code for kind in kinds if f"| `{kind.code}` | {STATUS[kind].name} |" not in document] == []
    assert [kind.code for kind in kinds if f" {kind.code} " not in (mows.csi.errors.__doc__ or "")] == []


def test_what_is_no_error_of_ours_is_internal_and_says_nothing() -> None:
    assert status_of(ValueError("secret")) is status_of(CacheError("x")) is grpc.StatusCode.INTERNAL
    assert "secret" not in details_of(ValueError("secret"))
    assert details_of(OriginUnavailable("it is away", hint="")) == "it is away (origin_unavailable)"


def status(state: MountState, error: CacheError | None = None, *, in_place: bool = True) -> VolumeStatus:
    mount = MountStatus("m", MountSpec("oss://m/", "/m"), state, "s", 2, 0, ByteCounts(10, 5), None, None, True, error)
    return VolumeStatus(mount, in_place)


@pytest.mark.parametrize("state", list(MountState))
def test_a_volume_is_abnormal_when_nothing_can_be_read(state: MountState) -> None:
    told = condition(status(state, OriginUnavailable("it is away")))
    assert told.abnormal == (state not in SERVING)
    assert "it is away; check that the endpoint is reachable" in told.message
    assert condition(status(state, in_place=False)).abnormal


def test_a_publish_call_answers_before_its_caller_gives_up() -> None:
    assert publish_seconds(None) == publish_seconds(120.0) == PUBLISH_SECONDS
    assert publish_seconds(15.0) == 15.0 - ANSWER_SECONDS
    assert publish_seconds(0.5) == 0.0


MOUNTINFO = """\
22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
30 22 8:2 / /var/lib/kubelet rw,relatime - ext4 /dev/sda2 rw
31 22 8:3 / /var/lib/other rw shared:9 master:1 - ext4 /dev/sda3 rw
32 31 8:4 / /var/lib/other rw - ext4 /dev/sda4 rw
"""


@pytest.mark.parametrize(
    ("path", "shared"),
    [("/srv", True), ("/var/lib", True), ("/var/lib/kubelet/pods", False), ("/var/lib/other", False)],
)
def test_a_mount_shows_elsewhere_where_the_one_around_it_is_shared(path: str, shared: bool) -> None:
    assert is_shared(MOUNTINFO, Path(path)) == shared
    assert not is_shared("", Path(path))


def test_the_sources_that_volumes_may_name_are_beginnings_of_uris() -> None:
    with pytest.raises(Unusable, match="models"):
        CsiSection(sources=("models/",))
