"""All tests, cut by what they need."""
