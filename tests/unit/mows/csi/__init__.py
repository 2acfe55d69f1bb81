"""The parts of the daemon, each alone."""
