"""Pictures of the status page for the documents, taken of a real scale-out in the lab by a real browser."""
