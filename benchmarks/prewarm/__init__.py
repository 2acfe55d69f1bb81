"""A prewarm of several nodes in the lab: one copy from the origin, an end that was foretold, a lease that holds."""
