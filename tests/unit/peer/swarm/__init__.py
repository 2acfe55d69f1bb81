"""State of the swarms: what is known, what is told."""
