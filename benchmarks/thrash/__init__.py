"""A model that is larger than the cache, read in a loop: everybody gets right bytes, and gets on.

``python -m benchmarks.thrash --tier 256MiB --model 1GiB --readers 4 --seconds 60`` needs root. It runs twice, once with
the model in one file and once in four. The readers begin at different places; half of them use ``read``, half ``mmap``;
each drops what it has read from the page cache, so that it comes from the daemon again, and compares every piece with
its digest.

Meanwhile the tier is measured: the allocated blocks of its files (as ``du`` counts) and what is missing on its file
system (as ``df`` counts). The exit status is 0 only if no piece was wrong, no read failed, the capacity was never
exceeded and every reader was still getting on at the end.
"""
