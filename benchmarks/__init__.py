"""Measurements, each a question with an answer in numbers; and the servers and models they, the demo and the tests share."""
