"""The cache and the read-only file system over it.

Knows origins, chunks, blobs, tiers and the kernel's FUSE protocol. Must not know peers, the REST API, configuration
files or the command line: those stand above it (``cli > mows > peer > cachefs``).
"""
