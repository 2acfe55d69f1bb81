"""The daemon: configuration, composition root, mounts, prewarms, REST API, metrics.

The only place that builds concrete classes.
"""
