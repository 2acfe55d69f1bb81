"""The FUSE layer without a kernel."""
