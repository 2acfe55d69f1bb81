"""A network of one's own: nodes, an origin and a switch as network namespaces, with links as fast as one likes.

`Lab` is the network, `benchmarks.lab.fleet` the origin server and the daemons in it. ``python -m benchmarks.lab``
checks that the links carry what they say, keeps a network up to play with, and removes what a killed run has left. The
lab knows nothing of scenarios: those are in `benchmarks.scaleout`.
"""

from benchmarks.lab.network import Lab, LabSettings, Traffic
from benchmarks.lab.place import Place

__all__ = ["Lab", "LabSettings", "Place", "Traffic"]
