"""Where a bucket answers: endpoint, region and addressing, worked out before anything is sent."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from cachefs.errors import InvalidSource
from cachefs.origin.settings import OriginSettings
from cachefs.origin.wire import Address

Style = Literal["path", "virtual", "cname"]
_REGION = re.compile(r"oss-(?P<region>[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")


@dataclass(frozen=True, slots=True)
class OssEndpoint:
    """`url` has a scheme and no path."""

    url: str
    region: str
    style: Style

    def address(self, bucket: str) -> Address:
        """Where connections for `bucket` go."""
        parts = urlsplit(self.url)
        tls = parts.scheme == "https"
        host = parts.hostname or ""
        return Address(f"{bucket}.{host}" if self.style == "virtual" else host, parts.port or (443 if tls else 80), tls)


def resolve_endpoint(settings: OriginSettings, named: str = "") -> OssEndpoint:
    """The endpoint that `settings` give, else the one `named` in the source, else the region's public one.

    Raises InvalidSource when no endpoint or no region can be told.
    """
    endpoint, region = settings.endpoint or named, settings.region
    if not endpoint and not region:
        hint = "set `endpoint` and `region` for this source under `origins`"
        raise InvalidSource("OSS: neither endpoint nor region is known", hint=hint)
    url = _with_scheme(endpoint or f"oss-{region}.aliyuncs.com")
    parts = _checked(url)
    if not region and (found := _REGION.fullmatch(parts)):
        region = found["region"]
    if not region and settings.signature_version == "v4":
        hint = "set `region` for this source under `origins`, for example cn-hangzhou"
        raise InvalidSource(f"OSS: the region of endpoint {url} is not known, and a V4 signature needs it", hint=hint)
    return OssEndpoint(url, region, _style(settings, parts))


def _with_scheme(endpoint: str) -> str:
    return (endpoint if "://" in endpoint else f"https://{endpoint}").rstrip("/")


def _checked(url: str) -> str:
    """The host of `url`."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not parts.path
    except ValueError:
        usable = False
    if not usable:
        raise InvalidSource(f"endpoint {url!r}: not an address", hint="write it as http://host or https://host:port")
    return parts.hostname or ""


def _style(settings: OriginSettings, host: str) -> Style:
    if settings.addressing != "auto":
        return settings.addressing
    return "path" if host == "localhost" or _is_ip(host) else "virtual"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
