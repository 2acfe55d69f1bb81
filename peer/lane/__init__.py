"""The bulk lane: chunks over plain TCP, `sendfile` on one side and `recv_into` on the other.

gRPC is the protocol; the lane only moves bytes, at about half the processor time. A connection opens with a ticket that
the other node gave out over gRPC, so who may ask is decided there. The lane knows frames, sockets and budgets; it must
not know gRPC, membership, or which chunk is worth asking whom for.
"""
