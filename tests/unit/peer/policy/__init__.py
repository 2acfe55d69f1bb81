"""What a node decides among its peers: the rules one by one. `tests/property` holds them against generated swarms."""
