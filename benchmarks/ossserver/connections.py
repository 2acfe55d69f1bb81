"""One thread per connection: read a request, answer it, send the answer, note it, again."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from .errors import OssError
from .faults import NO_EFFECT, Effect, Faults
from .handling import Dispatcher, common_headers
from .messages import Response
from .ranges import Span
from .routing import Address
from .sending import Hangup, Sender
from .statistics import Recorder, RequestRecord, Transfer
from .wire import BadRequest, RequestBody, RequestHead, RequestStream, response_head


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every connection shares."""

    dispatcher: Dispatcher
    faults: Faults
    recorder: Recorder
    clock: Callable[[], float]
    stopping: threading.Event


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A request understood and decided on; ``code`` is that of the error, if it is one."""

    operation: str
    where: Address
    response: Response
    effect: Effect
    code: str = ""


class Connection:
    """Serves one client until either side hangs up. ``serve`` runs on a thread of its own."""

    def __init__(self, connection: socket.socket, client: str, around: Surroundings) -> None:
        self._socket = connection
        self._client = client
        self._around = around
        self._stream = RequestStream(connection)
        self._sender = Sender(connection, client, around.stopping)

    def serve(self) -> None:
        """All requests of this connection; closes it."""
        try:
            while (head := self._stream.head()) and self._serve_request(head):
                pass
        except BadRequest:
            self._try_to_say_bad_request()
        except (Hangup, OSError):
            pass  # the client went away, the server stops, or a fault asked for it
        finally:
            self._socket.close()

    def shut_down(self) -> None:
        """Wake the thread up from whatever it waits for in the kernel. From another thread."""
        with suppress(OSError):  # it may have closed by itself just now
            self._socket.shutdown(socket.SHUT_RDWR)

    def _serve_request(self, head: RequestHead) -> bool:
        """Answer one request; whether the connection can be used for another."""
        began, request_id = time.monotonic(), self._around.dispatcher.request_id()
        body = self._stream.body(head)
        outcome = self._decide(head, body, request_id)
        try:
            reusable = body.discard() and head.keep_alive
            self._send(outcome, self._note(outcome, head), request_id, began)
        finally:
            if outcome.response.file is not None:
                os.close(outcome.response.file.fd)
        return reusable

    def _decide(self, head: RequestHead, body: RequestBody, request_id: str) -> _Outcome:
        """What to answer, faults included; whatever OSS would refuse is an answer as well."""
        operation, where, effect = "Unknown", Address("", ""), NO_EFFECT
        try:
            operation, where = self._around.dispatcher.locate(head)
            effect = self._around.faults.effect(operation, where.key)
            self._sender.wait(effect.delay_seconds or 0.0)
            if effect.error is not None:
                raise effect.error
            response = self._around.dispatcher.answer(operation, where, head, body)
        except OssError as error:
            refusal = self._around.dispatcher.refuse(error, head, request_id)
            return _Outcome(operation, where, refusal, effect, error.code)
        return _Outcome(operation, where, _distort(response, effect), effect)

    def _send(self, outcome: _Outcome, transfer: Transfer, request_id: str, began: float) -> None:
        response = outcome.response
        headers = common_headers(response, request_id, now=self._around.clock(), began=began)
        head = response_head(response.status, headers)
        if response.file is None:
            self._sender.send(head, response.body)
        else:
            self._sender.send_file(head, response.file, outcome.effect, self._around.faults.bandwidth, transfer)

    def _note(self, outcome: _Outcome, head: RequestHead) -> Transfer:
        record = RequestRecord(
            at=self._around.clock(),
            client=self._client,
            operation=outcome.operation,
            bucket=outcome.where.bucket,
            key=outcome.where.key,
            range=head.headers.get("range", ""),
            status=outcome.response.status,
            code=outcome.code,
        )
        return self._around.recorder.request(record)

    def _try_to_say_bad_request(self) -> None:
        with suppress(OSError):  # it may not wait for the answer
            self._socket.sendall(response_head(400, [("Content-Length", "0"), ("Connection", "close")]))


def _distort(response: Response, effect: Effect) -> Response:
    """The answer with a false Content-Range, if that is the fault."""
    shift, file = effect.shift_content_range_bytes, response.file
    if shift is None or file is None or response.status != 206:
        return response
    size = int(response.headers["Content-Range"].rpartition("/")[2])
    span = Span(file.offset + shift, file.offset + file.size + shift)
    return replace(response, headers={**response.headers, "Content-Range": span.content_range(size)})
