"""What can be configured about CSI volumes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mows.config.binding import Unusable, setting


@dataclass(frozen=True, slots=True)
class CsiSection:
    """Volumes that the kubelet asks for; see docs/CSI.md."""

    socket: Path | None = setting(
        None,
        doc="Unix socket of the CSI driver, mode 0600, for example `/csi/csi.sock`: the directory in which the kubelet "
        "and its registrar look for it. null: no CSI.",
    )
    kubelet_dir: Path = setting(
        Path("/var/lib/kubelet"),
        doc="The kubelet's directory. Volumes are published below it and nowhere else. The daemon's container must see "
        "it under the same path, with `mountPropagation: Bidirectional`: else pods find empty directories.",
    )
    sources: tuple[str, ...] = setting(
        ("oss://", "s3://", "gs://", "az://"),
        doc="What a volume may name, by the beginning of the source; `oss://bucket/team-a` means that directory and "
        "what lies below. Whoever may create a pod may write an inline volume, which is read with this node's keys "
        "if it brings none: so no `file://` or `nas://` by default, and one entry for each bucket where tenants share "
        "a cluster. `mounts.allowed_sources` holds, too.",
    )

    def __post_init__(self) -> None:
        for source in self.sources:
            if "://" not in source:
                raise Unusable(
                    "sources", f"{source!r} is not the beginning of a source", hint='write it as "oss://bucket/"'
                )
