"""The peer service without a network."""
