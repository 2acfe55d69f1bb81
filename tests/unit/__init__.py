"""One module at a time, nothing real needed."""
