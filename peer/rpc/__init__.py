"""The gRPC service `mows.peer.v1`: what nodes say to each other about chunks, and chunks where there is no bulk lane.

Knows messages, connections, tokens and certificates. Must not know which peer is asked for what, and when: the exchange
decides that. It is seen through `peer.rpc.host` by the server, and holds one `peer.rpc.link` per peer.
"""
