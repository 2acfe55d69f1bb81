"""What is in deploy/: rendered by the tools that users render it with, and held against the schemas and the daemon."""
