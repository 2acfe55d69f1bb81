"""Drives Debian's Chromium over its DevTools protocol: NUL-ended JSON on two pipes, so no further package is needed."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

ANSWER_SECONDS = 60.0
_COMMANDS, _ANSWERS = 3, 4
"""The descriptors that ``--remote-debugging-pipe`` speaks on."""

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class BrowserError(Exception):
    """The browser is missing, has ended, refused a command, or did not answer in time."""


class Browser:
    """One browser with one page; ended by ``with``. `profile` is an empty directory for what it writes."""

    def __init__(self, profile: Path, prefix: Sequence[str] = ()) -> None:
        """`prefix` are words before the command, to start it in another network."""
        program = shutil.which("chromium")
        if program is None:
            raise BrowserError("there is no chromium: apt-get install chromium")
        theirs_in, self._to = _pipe()
        self._from, theirs_out = _pipe()
        self._rest = b""
        self._number = 0
        self._events: list[dict[str, Any]] = []
        command = [*prefix, program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        try:
            self._child = subprocess.Popen(
                # The shell puts the pipes where the browser looks for them.
                ["bash", "-c", f'exec "$@" {_COMMANDS}<&{theirs_in} {_ANSWERS}>&{theirs_out}', "bash", *command],
                pass_fds=(theirs_in, theirs_out),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._session: str | None = None
        pages = self.call("Target.getTargets")["targetInfos"]
        target = next(page["targetId"] for page in pages if page["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and wait for it."""
        os.close(self._to)  # it ends when nobody can command it any more
        try:
            self._child.wait(10.0)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        os.close(self._from)

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command of the protocol and its result. Blocks."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_SECONDS
        while (answer := self._next(deadline)).get("id") != self._number:
            self._events.append(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, url: str) -> None:
        """Go to a page. Does not wait for it."""
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 any JSON value
        """The value of a JavaScript expression in the page; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = ANSWER_SECONDS) -> None:
        """Until an expression is true. BrowserError after `seconds`, with what the page shows then."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({expression})"):
            if time.monotonic() > deadline:
                raise BrowserError(f"not within {seconds:g} s: {expression}; {self.complaints()}\n{self.text('body')}")
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        """What a person reads in the first element that `selector` finds; empty when there is none."""
        found = self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        assert isinstance(found, str)
        return found

    def press(self, key: str, code: int) -> None:
        """Press a key; `code` is its virtual key code."""
        text = {"Enter": "\r"}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            words = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", **(words | {"text": text} if kind == "keyDown" and text else words))

    def resize(self, width: int, height: int, *, scale: float = 1.0) -> None:
        """The size of the window, in pixels of the page."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def prefer(self, scheme: Literal["light", "dark"]) -> None:
        """What the user's system is set to."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path) -> None:
        """The whole page, also what is below the window, as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(picture["data"]))

    def complaints(self) -> list[str]:
        """Errors that the page or the browser reported so far: exceptions, refused content."""
        self.evaluate("0")  # what happened before is told before the answer to this
        found = []
        for event in self._events:
            entry = event.get("params", {}).get("entry", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(str(event["params"]["exceptionDetails"]))
            elif event.get("method") == "Log.entryAdded" and entry.get("level") == "error":
                found.append(f"{entry.get('text')} {entry.get('url', '')}")
        return found

    def forget(self) -> None:
        """As if there had been no complaints."""
        self._events.clear()

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise BrowserError(f"no answer within {ANSWER_SECONDS:g} s")
            piece = os.read(self._from, 1 << 20)
            if not piece:
                raise BrowserError("the browser has ended")
            self._rest += piece
        first, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message


def _pipe() -> tuple[int, int]:
    """Both ends of a pipe, with numbers that are not those the browser expects its own at."""
    ends = os.pipe()
    reader, writer = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _ANSWERS + 1) for end in ends)
    for end in ends:
        os.close(end)
    return reader, writer
