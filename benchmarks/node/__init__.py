"""A node in a box: OSS test server and daemon as child processes in scratch space, with nothing left behind.

What the demo, the benchmarks and the tests that need a whole node share. It drives the daemon from outside, as its
users do: configuration file, signals, REST API, /proc.
"""
