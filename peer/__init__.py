"""Peers: who has which chunks, whom to ask, how the bytes travel.

Sees of `cachefs` only its types, errors and ports.
"""
