"""The bulk lane, module by module."""
