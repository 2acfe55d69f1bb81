"""An Object Storage Service to test against: real signatures, real rules, real speed.

For a test or a benchmark in this process use ``OssServer``; for one in a process of its own run
``python -m benchmarks.ossserver`` and steer it with ``Control``.
"""

from .control import Control
from .credentials import StsToken
from .faults import Faults
from .server import DEFAULT_ACCESS_KEYS, OssServer
from .statistics import RequestRecord, Statistics

__all__ = ["DEFAULT_ACCESS_KEYS", "Control", "Faults", "OssServer", "RequestRecord", "Statistics", "StsToken"]
