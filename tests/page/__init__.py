"""The status page in a real browser, over twins of the daemon's parts."""
