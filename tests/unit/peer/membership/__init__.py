"""Membership, module by module."""
