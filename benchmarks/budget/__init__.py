"""Does the daemon keep to its memory: run it under the kernel's own limit, with more work than fits.

Pages of a memory tier are charged to whoever writes them, so the limit is the tier plus what a daemon may take besides.
"""
