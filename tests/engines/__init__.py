"""Need torch and transformers."""
