"""What a node decides among its peers: whom to ask for what, what to ask the origin for, whom to leave alone.

Pure functions over values. No I/O, no clock, no randomness of its own: the time and the generator are arguments, so
that the daemon, the simulator and the property tests call the very same code. Knows nothing of links, messages or
threads. The rules and their numbers are those of DESIGN section 9.
"""
