"""The command line, one module at a time."""
