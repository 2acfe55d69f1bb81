"""Peers, module by module."""
