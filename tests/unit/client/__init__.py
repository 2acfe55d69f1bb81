"""The client of the REST API: what it decides, without any I/O."""
