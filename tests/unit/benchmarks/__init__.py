"""What the benchmarks and the demo are made of."""
