"""Unit tests of the origins."""
