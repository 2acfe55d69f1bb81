"""Generated histories against a model."""
