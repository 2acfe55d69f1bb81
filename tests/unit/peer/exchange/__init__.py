"""One node between its fetcher and its peers, with twins of both."""
