"""Measurements: each file one question with an answer in numbers.

Also the servers and models that they, the demo and the tests share.
"""
