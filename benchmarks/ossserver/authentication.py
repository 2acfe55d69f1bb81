"""Whether a request may be answered: which signature it carries, whether that is right, in time and in this region.

Four forms are known: V1 and V4, each in the Authorization header or in the URL. The order of the checks is OSS's:
form, region and product, clock, credential, signature.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from . import signatures_v1 as v1
from . import signatures_v4 as v4
from .credentials import Accounts
from .errors import OssError, access_denied, anonymous_denied, invalid_argument

MAX_SKEW_SECONDS = 15 * 60
_MAX_V4_EXPIRES_SECONDS = 7 * 24 * 3600
_ISO8601_BASIC = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature may cover, decoded. ``bucket`` is empty for the service itself."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the server demands. Where anonymous requests are let in, a signature is checked nevertheless."""

    region: str
    require_signature: bool = True
    allow_v1: bool = True


class Authenticator:
    """Checks requests against accounts and a clock (Unix seconds). Thread-safe, as the accounts are."""

    def __init__(self, accounts: Accounts, policy: Policy, clock: Callable[[], float]) -> None:
        self._accounts = accounts
        self._policy = policy
        self._clock = clock

    def check(self, request: SignedRequest) -> None:
        """Return if the request may be answered; raise the error OSS answers with if not."""
        authorization = request.headers.get("authorization", "")
        if authorization.startswith(v4.ALGORITHM):
            self._check_v4_header(request, v4.parse_authorization(authorization))
        elif authorization.startswith("OSS "):
            self._check_v1_header(request, authorization)
        elif authorization:
            raise invalid_argument(
                "Authorization header is invalid.", "Authorization", authorization, ec="0002-00000061"
            )
        elif "x-oss-signature-version" in request.query:
            self._check_v4_url(request)
        elif "Signature" in request.query:
            self._check_v1_url(request)
        elif self._policy.require_signature:
            raise anonymous_denied()

    def _check_v1_header(self, request: SignedRequest, authorization: str) -> None:
        self._demand_v1()
        access_key_id, _, provided = authorization.removeprefix("OSS ").strip().rpartition(":")
        date = request.headers.get("x-oss-date") or request.headers.get("date", "")
        self._check_skew(date)
        # Some clients call the header by the name of the URL parameter.
        token = request.headers.get("x-oss-security-token") or request.headers.get("security-token")
        self._compare_v1(request, access_key_id, token, provided, date)

    def _check_v1_url(self, request: SignedRequest) -> None:
        self._demand_v1()
        expires = request.query.get("Expires", "")
        if not expires.isdigit():
            raise access_denied("Invalid date (should be seconds since epoch).")
        if int(expires) < self._clock():
            raise access_denied("Request has expired.", Expires=_iso(int(expires)), ServerTime=_iso(self._clock()))
        token = request.query.get("security-token")
        provided = request.query["Signature"]
        self._compare_v1(request, request.query.get("OSSAccessKeyId", ""), token, provided, expires)

    def _compare_v1(
        self, request: SignedRequest, access_key_id: str, token: str | None, provided: str, date: str
    ) -> None:
        secret = self._accounts.secret(access_key_id, token, self._clock())
        text = v1.string_to_sign(request.method, request.bucket, request.key, request.query, request.headers, date=date)
        if not _same(v1.signature(secret, text), provided):
            raise _mismatch(access_key_id, provided, text)

    def _check_v4_header(self, request: SignedRequest, fields: Mapping[str, str]) -> None:
        payload = request.headers.get("x-oss-content-sha256")
        if payload is None:
            raise invalid_argument("Missing header x-oss-content-sha256.", "x-oss-content-sha256")
        moment = self._check_skew(request.headers.get("x-oss-date") or request.headers.get("date", ""))
        token = request.headers.get("x-oss-security-token")
        self._compare_v4(request, fields, moment, token, payload)

    def _check_v4_url(self, request: SignedRequest) -> None:
        query = request.query
        if query["x-oss-signature-version"] != v4.ALGORITHM:
            raise invalid_argument(
                "Invalid signature version.", "x-oss-signature-version", query["x-oss-signature-version"]
            )
        moment = _parse_moment(query.get("x-oss-date", ""))
        self._check_v4_expiry(moment, query.get("x-oss-expires", ""))
        fields = {
            "Credential": query.get("x-oss-credential", ""),
            "Signature": query.get("x-oss-signature", ""),
            "AdditionalHeaders": query.get("x-oss-additional-headers", ""),
        }
        self._compare_v4(request, fields, moment, query.get("x-oss-security-token"), v4.UNSIGNED_PAYLOAD)

    def _check_v4_expiry(self, moment: datetime, expires: str) -> None:
        if not expires.isdigit() or not 0 < int(expires) <= _MAX_V4_EXPIRES_SECONDS:
            raise invalid_argument("Invalid expires.", "x-oss-expires", expires)
        end, now = moment.timestamp() + int(expires), self._clock()
        if moment.timestamp() > now + MAX_SKEW_SECONDS:
            raise access_denied("Request is not yet valid.", ServerTime=_iso(now))
        if end < now:
            raise access_denied("Request has expired.", Expires=_iso(end), ServerTime=_iso(now))

    def _compare_v4(
        self, request: SignedRequest, fields: Mapping[str, str], moment: datetime, token: str | None, payload: str
    ) -> None:
        access_key_id, scope = self._scope(fields.get("Credential", ""), moment)
        secret = self._accounts.secret(access_key_id, token, self._clock())
        canonical = v4.canonical_request(
            request.method,
            request.bucket,
            request.key,
            {name: value for name, value in request.query.items() if name != "x-oss-signature"},
            request.headers,
            additional=fields.get("AdditionalHeaders", "").split(";"),
            payload=payload,
        )
        text = v4.string_to_sign(moment.strftime(_ISO8601_BASIC), scope, canonical)
        provided = fields.get("Signature", "")
        if not _same(v4.signature(v4.signing_key(secret, scope), text), provided):
            raise _mismatch(access_key_id, provided, text, canonical)

    def _scope(self, credential: str, moment: datetime) -> tuple[str, v4.Scope]:
        try:
            access_key_id, scope = v4.parse_credential(credential)
        except ValueError:
            raise invalid_argument("Invalid credential.", "Credential", credential, ec="0002-00000213") from None
        expected = v4.Scope(moment.strftime("%Y%m%d"), self._policy.region)
        for name in ("date", "region", "product", "terminator"):
            if getattr(scope, name) != getattr(expected, name):
                message = f"Invalid signing {name} in Authorization header."
                ec = "0002-00000228" if name == "region" else ""
                raise invalid_argument(message, "Credential", credential, ec=ec)
        return access_key_id, scope

    def _demand_v1(self) -> None:
        if not self._policy.allow_v1:
            raise access_denied("Signature version 1 is closed for this bucket; sign with version 4.")

    def _check_skew(self, date: str) -> datetime:
        moment, now = _parse_moment(date), self._clock()
        if abs(moment.timestamp() - now) > MAX_SKEW_SECONDS:
            message = "The difference between the request time and the current time is too large."
            details = {
                "MaxAllowedSkewMilliseconds": str(MAX_SKEW_SECONDS * 1000),
                "RequestTime": _iso(moment.timestamp()),
                "ServerTime": _iso(now),
            }
            raise OssError(403, "RequestTimeTooSkewed", message, ec="0002-00000504", details=details)
        return moment


def _same(expected: str, provided: str) -> bool:
    return hmac.compare_digest(expected.encode(), provided.encode())


def _mismatch(access_key_id: str, provided: str, text: str, canonical: str | None = None) -> OssError:
    """403, with what the server computed from, so that the author of a client sees the difference."""
    message = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )
    details = {
        "OSSAccessKeyId": access_key_id,
        "SignatureProvided": provided,
        "StringToSign": text,
        "StringToSignBytes": text.encode().hex(" ").upper(),
    }
    if canonical is not None:
        details["CanonicalRequest"] = canonical
    return OssError(403, "SignatureDoesNotMatch", message, ec="0002-00000040", details=details)


def _parse_moment(text: str) -> datetime:
    """ISO 8601 basic or an HTTP date."""
    try:
        if text.endswith("Z"):
            return datetime.strptime(text, _ISO8601_BASIC).replace(tzinfo=UTC)
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        raise access_denied("OSS authentication requires a valid Date.") from None


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
