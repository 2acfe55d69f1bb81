"""Blobs on disk and in memory: sparse files, their index, tiers, accounting, eviction.

Knows nothing of origins, FUSE or networks.
"""
