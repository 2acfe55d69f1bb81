"""How fast chunks travel between two daemons, and what that costs: the bulk lane, gRPC, and bare system calls."""
