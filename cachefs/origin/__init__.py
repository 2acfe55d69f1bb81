"""Where data comes from, behind one port (`cachefs.ports.Origin`). Knows nothing of the cache."""
