"""What readers notice of a daemon that is killed, replaced, or started after a power cut.

``python -m benchmarks.restarts --kills 20 --size 2GiB``
"""
