"""Requests to OSS: built and signed by the official SDK, carried by our pool, tried once more with newer keys."""

from __future__ import annotations

import logging
import threading
import xml.etree.ElementTree as ET  # only its exception: the SDK does the parsing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import alibabacloud_oss_v2 as sdk
from alibabacloud_oss_v2.exceptions import BaseError, BucketNameInvalidError, ObjectNameInvalidError, ServiceError
from alibabacloud_oss_v2.types import CredentialsProvider, OperationInput

from cachefs.errors import CacheError, OriginError, OriginNotFound, OriginProtocolError
from cachefs.origin.credentials import Credentials
from cachefs.origin.oss_endpoint import OssEndpoint
from cachefs.origin.oss_errors import OssFailure, newer_keys_may_help, oss_error
from cachefs.origin.oss_transport import SdkTransport
from cachefs.origin.pool import Answer, ConnectionPool, PoolStatistics
from cachefs.origin.settings import OriginSettings
from cachefs.types import Deadline

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OssStatistics:
    """Counts since the origin was opened."""

    pool: PoolStatistics
    delayed_answers: int
    """Answers that OSS slowed down on purpose (``x-oss-qos-delay-time``): the sign before 503s."""
    renewed_keys: int
    """Requests that were tried again with newer keys."""


class OssClient:
    """Thread-safe. `credentials` None: requests are not signed."""

    def __init__(
        self, bucket: str, endpoint: OssEndpoint, credentials: Credentials | None, settings: OriginSettings
    ) -> None:
        self._bucket = bucket
        self._credentials = credentials
        self._pool = ConnectionPool(
            endpoint.address(bucket),
            max_connections=settings.max_connections,
            connect_timeout_seconds=settings.connect_timeout_seconds,
            idle_timeout_seconds=settings.idle_timeout_seconds,
        )
        self._transport = SdkTransport(self._pool)
        self._sdk = sdk.Client(
            sdk.Config(
                region=endpoint.region,
                endpoint=endpoint.url,
                use_path_style=endpoint.style == "path",
                use_cname=endpoint.style == "cname",
                signature_version=settings.signature_version,
                credentials_provider=_provider(credentials),
                http_client=self._transport,
                retry_max_attempts=1,  # who retries is the fetcher, which knows the deadline and the budget
            )
        )
        self._lock = threading.Lock()  # guards the one below
        self._renewed_keys = 0

    def send(self, what: str, method: str, key: str, headers: Mapping[str, str], deadline: Deadline) -> Answer:
        """One request for the object `key`. The caller closes the answer, whose status is 2xx."""
        request = OperationInput(
            what, method, headers=dict(headers), bucket=self._bucket, key=key, op_metadata={"response-stream": True}
        )
        output = self._try(what, lambda: self._sdk.invoke_operation(request, readwrite_timeout=deadline.check(what)))
        answer: Answer = output.http_response.answer
        return answer

    def list_page(self, what: str, prefix: str, token: str | None, max_keys: int, deadline: Deadline) -> Any:  # noqa: ANN401  # an SDK model
        """One page of a recursive listing (`ListObjectsV2Result`)."""
        request = sdk.ListObjectsV2Request(
            bucket=self._bucket, prefix=prefix, continuation_token=token, max_keys=max_keys
        )
        return self._try(what, lambda: self._sdk.list_objects_v2(request, readwrite_timeout=deadline.check(what)))

    def statistics(self) -> OssStatistics:
        """Counts so far."""
        with self._lock:
            return OssStatistics(self._pool.statistics(), self._transport.delayed_answers, self._renewed_keys)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _try(self, what: str, call: Callable[[], T]) -> T:
        """Do `call`; if it fails for its keys and there are newer ones, do it once more."""
        keys = self._credentials.get() if self._credentials else None
        temporary = bool(keys and keys.security_token)
        try:
            return _translated(what, call, temporary_keys=temporary)
        except _Refused as refused:
            if self._credentials is None or keys is None or self._credentials.renew(keys) == keys:
                raise refused.error from None
        with self._lock:
            self._renewed_keys += 1
        try:
            return _translated(what, call, temporary_keys=temporary)
        except _Refused as refused:
            raise refused.error from None


class _Refused(Exception):
    """The keys were not accepted; `error` says how. Never leaves this module."""

    def __init__(self, error: OriginError) -> None:
        super().__init__(str(error))
        self.error = error


class _SdkKeys(CredentialsProvider):  # type: ignore[misc]  # the SDK carries no type information
    """Our credentials as the SDK asks for them."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def get_credentials(self) -> sdk.credentials.Credentials:
        """The keys to sign the next request with."""
        keys = self._credentials.get()
        return sdk.credentials.Credentials(keys.access_key_id, keys.access_key_secret, keys.security_token or None)


def _provider(credentials: Credentials | None) -> CredentialsProvider:
    return _SdkKeys(credentials) if credentials else sdk.credentials.AnonymousCredentialsProvider()


def _translated(what: str, call: Callable[[], T], *, temporary_keys: bool) -> T:
    """The result of `call`, its failures as errors of our tree (or `_Refused`)."""
    try:
        return call()
    except BaseError as error:
        cause = _innermost(error)
    except (ET.ParseError, ValueError, KeyError) as error:
        raise OriginProtocolError(f"{what}: the answer cannot be understood: {error}") from None
    if isinstance(cause, CacheError):
        raise cause from None
    if isinstance(cause, ServiceError):
        failure = _failure(cause, temporary_keys=temporary_keys)
        raised = oss_error(what, failure)
        raise (_Refused(raised) if newer_keys_may_help(failure) else raised) from None
    if isinstance(cause, (BucketNameInvalidError, ObjectNameInvalidError)):
        raise OriginNotFound(f"{what}: {cause}") from None  # OSS allows no such name: there is no such thing
    raise OriginProtocolError(f"{what}: {cause}") from None


def _innermost(error: Exception) -> Exception:
    while isinstance(inner := getattr(error, "kwargs", {}).get("error"), Exception):
        error = inner
    return error


def _failure(error: ServiceError, *, temporary_keys: bool) -> OssFailure:
    headers = error.headers or {}
    return OssFailure(
        status=error.status_code,
        code=error.code or "",
        message=error.message or "",
        request_id=error.request_id or "",
        retry_after=headers.get("retry-after", ""),
        server_date=headers.get("date", ""),
        temporary_keys=temporary_keys,
    )
