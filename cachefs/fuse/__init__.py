"""The kernel's FUSE protocol on /dev/fuse: mount, device threads, decode, encode. Knows the `FileSystem` port only."""
