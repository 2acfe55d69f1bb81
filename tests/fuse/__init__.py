"""Real mounts. Need root and /dev/fuse."""
