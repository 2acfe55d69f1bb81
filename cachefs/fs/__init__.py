"""The file system a mount shows: snapshots of a prefix as a tree of inodes, open files, extended attributes.

Runs and is tested without FUSE.
"""
