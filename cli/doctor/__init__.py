"""What ``mows doctor`` looks at. A check makes a `Finding` of plain values; a probe gathers them."""
