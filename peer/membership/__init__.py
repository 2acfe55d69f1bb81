"""Who the other nodes are: finding them, noticing that they come and go, and which of them share a blob.

Knows nothing of chunks, links or the wire: saying hello is a port (`Prober`), so is every way of finding nodes
(`Discovery`). Nothing of consensus is here: each node holds its own view, and any two may differ for some seconds.
"""
