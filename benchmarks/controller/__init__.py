"""The reference controller at work: two daemons in the lab, services as files, engines that read what is mounted.

``python -m benchmarks.controller`` shows, with a log a person can follow: four running instances from two service
files, one service scaled to eight, one rolled to a new version of its model, everything released.
"""
