"""Which requests are let in, with a clock of the test's own. That the signatures are right is tested elsewhere."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from benchmarks.ossserver import signatures_v1 as v1
from benchmarks.ossserver import signatures_v4 as v4
from benchmarks.ossserver.authentication import Authenticator, Policy, SignedRequest
from benchmarks.ossserver.credentials import Accounts
from benchmarks.ossserver.errors import OssError
from benchmarks.ossserver.signatures_v4 import Scope

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
TIMESTAMP, DATE = "20260301T120000Z", "Sun, 01 Mar 2026 12:00:00 GMT"
SCOPE = Scope("20260301", "cn-hangzhou")
GET = SignedRequest("GET", "b", "k", {}, {})
POLICY = Policy("cn-hangzhou")


class World:
    """An authenticator with a clock that the test moves."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.now = NOW.timestamp()
        self.accounts = Accounts({"id": "secret"})
        self.authenticator = Authenticator(self.accounts, policy, lambda: self.now)

    def refusal(self, request: SignedRequest) -> OssError:
        with pytest.raises(OssError) as caught:
            self.authenticator.check(request)
        return caught.value


@pytest.fixture
def world() -> World:
    return World()


def v4_header(
    secret: str = "secret",
    access_key_id: str = "id",
    *,
    scope: Scope = SCOPE,
    headers: Mapping[str, str] | None = None,
    request: SignedRequest = GET,
) -> SignedRequest:
    signed = {"x-oss-date": TIMESTAMP, "x-oss-content-sha256": v4.UNSIGNED_PAYLOAD, **(headers or {})}
    canonical = v4.canonical_request(request.method, request.bucket, request.key, request.query, signed)
    text = v4.string_to_sign(TIMESTAMP, scope, canonical)
    signature = v4.signature(v4.signing_key(secret, scope), text)
    authorization = f"{v4.ALGORITHM} Credential={access_key_id}/{scope}, Signature={signature}"
    return replace(request, headers={**signed, "authorization": authorization})


def v4_url(expires: str = "60", secret: str = "secret") -> SignedRequest:
    query = {
        "x-oss-signature-version": v4.ALGORITHM,
        "x-oss-credential": f"id/{SCOPE}",
        "x-oss-date": TIMESTAMP,
        "x-oss-expires": expires,
    }
    text = v4.string_to_sign(TIMESTAMP, SCOPE, v4.canonical_request("GET", "b", "k", query, {}))
    query["x-oss-signature"] = v4.signature(v4.signing_key(secret, SCOPE), text)
    return replace(GET, query=query)


def v1_header(secret: str = "secret", headers: Mapping[str, str] | None = None) -> SignedRequest:
    signed = {"date": DATE, **(headers or {})}
    signature = v1.signature(secret, v1.string_to_sign("GET", "b", "k", {}, signed, date=DATE))
    return replace(GET, headers={**signed, "authorization": f"OSS id:{signature}"})


def v1_url(expires: int, secret: str = "secret") -> SignedRequest:
    signature = v1.signature(secret, v1.string_to_sign("GET", "b", "k", {}, {}, date=str(expires)))
    return replace(GET, query={"OSSAccessKeyId": "id", "Expires": str(expires), "Signature": signature})


def test_all_four_forms_are_let_in(world: World) -> None:
    for request in (v4_header(), v4_url(), v1_header(), v1_url(int(world.now) + 1)):
        world.authenticator.check(request)


def test_a_wrong_secret_is_refused_in_all_four_forms(world: World) -> None:
    for request in (v4_header("x"), v4_url(secret="x"), v1_header("x"), v1_url(int(world.now) + 1, "x")):
        error = world.refusal(request)
        assert (error.status, error.code) == (403, "SignatureDoesNotMatch")
        assert "StringToSign" in error.details


@pytest.mark.parametrize(
    "changed", [{"method": "DELETE"}, {"key": "other"}, {"bucket": "other"}, {"query": {"a": "b"}}]
)
def test_v4_covers_the_request(world: World, changed: dict[str, str]) -> None:
    assert world.refusal(replace(v4_header(), **changed)).code == "SignatureDoesNotMatch"  # type: ignore[arg-type]


def test_v4_covers_every_oss_header(world: World) -> None:
    request = v4_header()
    request = replace(request, headers={**request.headers, "x-oss-range-behavior": "standard"})
    assert world.refusal(request).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("field", ["region", "date", "product", "terminator"])
def test_v4_holds_in_one_scope(world: World, field: str) -> None:
    error = world.refusal(v4_header(scope=replace(SCOPE, **{field: "20010101"})))
    assert (error.status, error.code) == (400, "InvalidArgument")
    assert field in error.message


@pytest.mark.parametrize("seconds", [901, -901])
def test_a_clock_that_is_off(world: World, seconds: int) -> None:
    world.now += seconds
    for request in (v4_header(), v1_header()):
        error = world.refusal(request)
        assert (error.status, error.code) == (403, "RequestTimeTooSkewed")


@pytest.mark.parametrize("seconds", [900, -900])
def test_fifteen_minutes_are_forgiven(world: World, seconds: int) -> None:
    world.now += seconds
    world.authenticator.check(v4_header())
    world.authenticator.check(v1_header())


def test_urls_end(world: World) -> None:
    world.now += 61
    assert world.refusal(v4_url()).message == "Request has expired."
    assert world.refusal(v1_url(int(world.now) - 1)).message == "Request has expired."


@pytest.mark.parametrize("expires", ["0", "-1", "x", "604801"])
def test_v4_urls_hold_at_most_a_week(world: World, expires: str) -> None:
    assert world.refusal(v4_url(expires)).code == "InvalidArgument"


def test_nobody(world: World) -> None:
    assert world.refusal(GET).code == "AccessDenied"
    World(replace(POLICY, require_signature=False)).authenticator.check(GET)


def test_a_wrong_signature_is_refused_even_where_none_is_needed() -> None:
    world = World(replace(POLICY, require_signature=False))
    assert world.refusal(v4_header("x")).code == "SignatureDoesNotMatch"


def test_version_one_can_be_closed() -> None:
    world = World(replace(POLICY, allow_v1=False))
    assert world.refusal(v1_header()).code == "AccessDenied"
    assert world.refusal(v1_url(int(world.now) + 1)).code == "AccessDenied"
    world.authenticator.check(v4_header())


def test_an_unknown_key(world: World) -> None:
    assert world.refusal(v4_header(access_key_id="who")).code == "InvalidAccessKeyId"


def test_temporary_credentials(world: World) -> None:
    token = world.accounts.issue(world.now + 60)
    headers = {"x-oss-security-token": token.security_token}

    def check(headers: Mapping[str, str]) -> None:
        world.authenticator.check(v4_header(token.access_key_secret, token.access_key_id, headers=headers))

    check(headers)
    with pytest.raises(OssError, match="InvalidSecurityToken"):
        check({"x-oss-security-token": "forged"})
    with pytest.raises(OssError, match="InvalidAccessKeyId"):
        check({})
    world.now += 60
    with pytest.raises(OssError, match="SecurityTokenExpired"):
        check(headers)


def test_expire_all(world: World) -> None:
    token = world.accounts.issue(world.now + 60)
    world.accounts.expire_all(world.now)
    with pytest.raises(OssError, match="SecurityTokenExpired"):
        world.accounts.secret(token.access_key_id, token.security_token, world.now)


def test_expire_all_but_one(world: World) -> None:
    old, new = world.accounts.issue(world.now + 60), world.accounts.issue(world.now + 60)
    world.accounts.expire_all(world.now, but=new.access_key_id)
    with pytest.raises(OssError, match="SecurityTokenExpired"):
        world.accounts.secret(old.access_key_id, old.security_token, world.now)
    secret = world.accounts.secret(new.access_key_id, new.security_token, world.now)
    assert secret == new.access_key_secret


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"authorization": "Basic abc"}, "InvalidArgument"),
        ({"authorization": "OSS id:sig"}, "AccessDenied"),
        ({"authorization": "OSS id:sig", "date": "yesterday"}, "AccessDenied"),
        ({"authorization": f"{v4.ALGORITHM} Signature=ff", "x-oss-date": TIMESTAMP}, "InvalidArgument"),
        (
            {
                "authorization": f"{v4.ALGORITHM} Signature=ff",
                "x-oss-date": TIMESTAMP,
                "x-oss-content-sha256": v4.UNSIGNED_PAYLOAD,
            },
            "InvalidArgument",
        ),
    ],
)
def test_what_cannot_be_understood(world: World, headers: dict[str, str], code: str) -> None:
    assert world.refusal(replace(GET, headers=headers)).code == code
