"""Gets missing chunks: what to fetch next, one flight per chunk, budgets, retries, parked reads.

Knows the store and the origin port only.
"""
