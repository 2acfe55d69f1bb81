"""The Container Storage Interface: volumes that the kubelet asks for are mounts of this daemon.

A volume that is published at a path is one mount of `mows.mounts` at that path, with an id made of the volume's id and
the path. So nothing is remembered here: what the daemon knows of its mounts, also after a restart, is what it knows of
volumes. docs/design says why it is a mount for each path and not one that is bound to many.

`csi.proto` is the published one of CSI 1.12.0 (github.com/container-storage-interface/spec, Apache License 2.0),
unchanged; `csi_pb2*` are made of it by ``make proto``. Knows nothing of REST.
"""
