"""Where a bucket answers, told from the settings alone."""

from __future__ import annotations

import pytest

from cachefs.errors import InvalidSource
from cachefs.origin import OriginSettings
from cachefs.origin.oss_endpoint import OssEndpoint, resolve_endpoint
from cachefs.origin.wire import Address


@pytest.mark.parametrize(
    ("settings", "named", "expected", "address"),
    [
        (
            OriginSettings(endpoint="http://oss-cn-hangzhou-internal.aliyuncs.com"),
            "",
            OssEndpoint("http://oss-cn-hangzhou-internal.aliyuncs.com", "cn-hangzhou", "virtual"),
            Address("b.oss-cn-hangzhou-internal.aliyuncs.com", 80, tls=False),
        ),
        (
            OriginSettings(endpoint="oss-us-west-1.aliyuncs.com/"),
            "oss-cn-beijing.aliyuncs.com",
            OssEndpoint("https://oss-us-west-1.aliyuncs.com", "us-west-1", "virtual"),
            Address("b.oss-us-west-1.aliyuncs.com", 443, tls=True),
        ),
        (
            OriginSettings(),
            "oss-cn-beijing.aliyuncs.com",
            OssEndpoint("https://oss-cn-beijing.aliyuncs.com", "cn-beijing", "virtual"),
            Address("b.oss-cn-beijing.aliyuncs.com", 443, tls=True),
        ),
        (
            OriginSettings(region="cn-shanghai"),
            "",
            OssEndpoint("https://oss-cn-shanghai.aliyuncs.com", "cn-shanghai", "virtual"),
            Address("b.oss-cn-shanghai.aliyuncs.com", 443, tls=True),
        ),
        (
            OriginSettings(endpoint="http://127.0.0.1:9000", region="r"),
            "",
            OssEndpoint("http://127.0.0.1:9000", "r", "path"),
            Address("127.0.0.1", 9000, tls=False),
        ),
        (
            OriginSettings(endpoint="http://localhost:9000", region="r"),
            "",
            OssEndpoint("http://localhost:9000", "r", "path"),
            Address("localhost", 9000, tls=False),
        ),
        (
            OriginSettings(endpoint="https://files.example.com", region="r", addressing="cname"),
            "",
            OssEndpoint("https://files.example.com", "r", "cname"),
            Address("files.example.com", 443, tls=True),
        ),
        (
            OriginSettings(endpoint="http://10.0.0.1", signature_version="v1"),
            "",
            OssEndpoint("http://10.0.0.1", "", "path"),
            Address("10.0.0.1", 80, tls=False),
        ),
    ],
)
def test_endpoint(settings: OriginSettings, named: str, expected: OssEndpoint, address: Address) -> None:
    endpoint = resolve_endpoint(settings, named)
    assert endpoint == expected
    assert endpoint.address("b") == address


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (OriginSettings(), "neither endpoint nor region"),
        (OriginSettings(endpoint="http://10.0.0.1"), "region of endpoint http://10.0.0.1 is not known"),
        (OriginSettings(endpoint="ftp://host", region="r"), "'ftp://host': not an address"),
        (OriginSettings(endpoint="http://host/path", region="r"), "not an address"),
        (OriginSettings(endpoint="http://host:port", region="r"), "not an address"),
        (OriginSettings(endpoint="http://", region="r"), "not an address"),
    ],
)
def test_what_cannot_be_resolved(settings: OriginSettings, said: str) -> None:
    with pytest.raises(InvalidSource, match=said) as caught:
        resolve_endpoint(settings)
    assert caught.value.hint
