"""Where data comes from, behind one port (`cachefs.ports.Origin`). Knows nothing of the cache.

What a source is can be told without what opens it (`cachefs.origin.opening`): that one loads every SDK.
"""

from __future__ import annotations

from cachefs.origin.settings import CredentialSettings, NasSettings, OriginSettings
from cachefs.origin.uri import Source, parse_source

__all__ = ["CredentialSettings", "NasSettings", "OriginSettings", "Source", "parse_source"]
