"""What can go wrong around a run, as opposed to what a run finds out."""


class NodeError(Exception):
    """The run cannot go on. The message says why and, where there is one, the remedy; a traceback would add nothing."""
