"""Faults injected by operation; real servers that misbehave on command."""
