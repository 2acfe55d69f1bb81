"""The file system without FUSE."""
