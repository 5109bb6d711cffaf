"""Headless Chromium, spoken to by its own protocol through two pipes: nothing else has to be installed for it."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 30.0  # seconds for one answer
FLAGS = (
    "--headless",
    "--no-sandbox",  # pages of our own
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


def find_browser() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page. `said` is what its console and its security policy had to say, `asked` every address it asked for."""

    def __init__(self, to: int, back: int) -> None:
        self.to, self.back = to, back
        self.rest = b""
        self.count = 0
        self.session = ""
        self.said: list[str] = []
        self.asked: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def call(self, method: str, **parameters: Any) -> Any:
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _read(self) -> Any:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.rest:
            if not select.select([self.back], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self.back, 1 << 20)
            if not piece:
                raise RuntimeError("the browser has ended")
            self.rest += piece
        line, _, self.rest = self.rest.partition(b"\0")
        message = json.loads(line)
        self._note(message)
        return message

    def _note(self, message: Any) -> None:
        of, found = message.get("method"), message.get("params", {})
        if of == "Log.entryAdded":
            self.said.append(f"{found['entry']['level']}: {found['entry']['text']}")
        elif of == "Runtime.exceptionThrown":
            details = found["exceptionDetails"]
            self.said.append(f"error: {details.get('exception', {}).get('description', details['text'])}")
        elif of == "Runtime.consoleAPICalled":
            self.said.append(f"{found['type']}: {[each.get('value') for each in found['args']]}")
        elif of == "Network.requestWillBeSent":
            self.asked.append(found["request"]["url"])

    def open(self, path: Path, width: int = 1280, height: int = 900, dark: bool = False) -> float:
        """Seconds until all of it is there and drawn."""
        self.said, self.asked = [], []
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        started = time.monotonic()
        self.call("Page.navigate", url=path.absolute().as_uri())
        self.wait(
            "location.protocol === 'file:' && document.readyState === 'complete' && "
            "[...document.querySelectorAll('.chart')].every((chart) => chart.dataset.drawn)"
        )
        return time.monotonic() - started

    def wait(self, condition: str) -> None:
        """Until the expression is true. Raises TimeoutError."""
        end = time.monotonic() + PATIENCE
        while not self.ask(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise TimeoutError(f"{condition}; {self.said}")
            time.sleep(0.01)

    def ask(self, expression: str) -> Any:
        """The value of an expression of JavaScript, as JSON has it."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "", until: str = "true") -> None:
        """A key, held until that is so."""
        of = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", **(of | ({"text": text} if text else {})))
        self.wait(until)
        self.call("Input.dispatchKeyEvent", type="keyUp", **of)

    def screenshot(self, path: Path, whole: bool = True) -> None:
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Ends with the block. Raises RuntimeError where there is none."""
    found = find_browser()
    if found is None:
        raise RuntimeError("no browser")
    ours, theirs = os.pipe(), os.pipe()
    command: Sequence[str] = [found, *FLAGS, f"--user-data-dir={profile}"]

    def place() -> None:  # it reads from 3 and writes to 4
        reads, writes = os.dup(ours[0]), os.dup(theirs[1])
        os.dup2(reads, 3)
        os.dup2(writes, 4)

    process = subprocess.Popen(
        command, preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(ours[0])
    os.close(theirs[1])
    try:
        yield Browser(ours[1], theirs[0])
    finally:
        process.kill()
        process.wait()
        os.close(ours[1])
        os.close(theirs[0])
