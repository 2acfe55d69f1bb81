"""One node against the machine it runs on and against the tools people use today: ``python -m benchmarks.local``.

Each file with a `measure` function answers one question; `__main__` asks them in turn and prints what DESIGN section 10
demands beside what was measured.
"""
