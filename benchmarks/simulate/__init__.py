"""A swarm of hundreds of nodes in one process: discrete events over a fluid model of the network.

Each node is the daemon's own exchange (`peer.exchange`, with its swarms and policy) on a loop of simulated time;
what is simulated is what stands around it: links, connections, the fetcher, the origin. From the bottom up:

- `fair`, `network`: a transfer is a flow over the sender's uplink, perhaps a border between zones, and the receiver's
  downlink; flows share links max-min fairly, as TCP roughly does.
- `timeline`, `loop`: events in the order of their time, and asyncio on top of them.
- `telling`, `directory`, `fetcher`, `uplink`: what the exchange is joined to, in place of gRPC, Redis and files.
- `node`, `swarm`: one daemon, put together; who knows whom; what happens to them in a scenario.

Chunks are stored and forwarded: a node gives a chunk on when all of it is there.
"""
