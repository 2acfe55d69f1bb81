"""The parts of `cachefs.fetch`, and the kit their tests share."""
