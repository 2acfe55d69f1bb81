"""A swarm of thousands of nodes in one process: discrete events over a fluid model of the network.

The nodes decide with the very functions the daemon decides with (`peer.policy`); what is simulated is what stands
around them: links, latencies, the origin, and the order of events. Three ideas, from the bottom up:

- `fair`, `network`: a transfer is a flow over the sender's uplink, perhaps a border between zones, and the receiver's
  downlink; flows share links max-min fairly, as TCP roughly does.
- `timeline`: events in the order of their time; everything else is a callback.
- `node`, `swarm`: one node's state and its decisions; who knows whom; what happens to them in a scenario.

Chunks are stored and forwarded: a node gives a chunk on when all of it is there.
"""
