"""The command line: one file per command. Talks to the daemon only by its REST API."""
