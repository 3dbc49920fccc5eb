"""A Chromium to look at pages with, driven by its DevTools protocol through two pipes."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--remote-debugging-pipe", "--force-prefers-reduced-motion", "--hide-scrollbars"),
    "about:blank",
]


def chromium() -> str | None:
    """Return the path of a Chromium, None if there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Browser:
    """A page of a Chromium. `problems` gathers console errors and requests that leave the file."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.output, self.input = process.stdin, process.stdout
        self.buffer = b""
        self.number = 0
        self.session = ""
        self.problems: list[str] = []
        self.loaded = False
        [target] = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Return the result of a command of the protocol."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.output.write(json.dumps(message).encode() + b"\0")
        self.output.flush()
        while True:
            answer = json.loads(self._receive())
            if answer.get("id") == self.number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.problems.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded":
            self.problems.append(json.dumps(parameters["entry"]))
        elif method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if not url.startswith(("file:", "data:", "about:")):
                self.problems.append(url)

    def open(self, path: Path) -> None:
        """Show the file at `path`."""
        self.problems.clear()
        self.loaded = False
        self.call("Page.navigate", url=path.resolve().as_uri())
        end = time.monotonic() + 30
        while not self.loaded and time.monotonic() < end:
            self._note(json.loads(self._receive()))

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def text(self, query: str) -> str:
        """Return the text of the element that a selector finds."""
        found: str = self.run(f"document.querySelector({json.dumps(query)}).textContent")
        return found

    def count(self, query: str) -> int:
        """Return how many elements a selector finds."""
        found: int = self.run(f"document.querySelectorAll({json.dumps(query)}).length")
        return found

    def box(self, query: str) -> list[float]:
        """Return where an element is on the screen: x, y, width, height."""
        found: list[float] = self.run(
            "(({x, y, width, height}) => [x, y, width, height])"
            f"(document.querySelector({json.dumps(query)}).getBoundingClientRect())"
        )
        return found

    def until(self, script: str, seconds: float = 20) -> Any:
        """Return the value of an expression once it is true, or after so many seconds."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)) and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def press(self, key: str) -> None:
        """Press a key, such as End, and let it go."""
        codes = {"End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39}
        codes |= {"ArrowDown": 40, "Tab": 9, " ": 32, "Enter": 13, "PageUp": 33, "Escape": 27}
        for kind in ("rawKeyDown", "keyUp"):
            number = codes[key]
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=number
            )

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at one point, move it to another and let it go."""
        places = [("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)]
        for kind, (x, y) in places:
            button = {"button": "left", "buttons": 1, "clickCount": 1}
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def resize(self, width: int, height: int, dark: bool = False, motion: bool = False) -> None:
        """Set the size of the window, the colour scheme, and whether the reader likes motion."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        calm = {"name": "prefers-reduced-motion", "value": "no-preference" if motion else "reduce"}
        self.call("Emulation.setEmulatedMedia", features=[scheme, calm])

    def screenshot(self, path: Path) -> None:
        """Save what is seen as a PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def _receive(self) -> bytes:
        while b"\0" not in self.buffer:
            got = self.input.read1(1 << 20)  # type: ignore[attr-defined]
            assert got, "Chromium closed the connection"
            self.buffer += got
        message, self.buffer = self.buffer.split(b"\0", 1)
        return message


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start a Chromium with a profile of its own, and end it."""
    executable = chromium()
    assert executable is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # Commands come in at the descriptor 3, and answers go out at 4.
        pipes = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1'
        command = [executable, f"--user-data-dir={profile}", *_FLAGS]
        with subprocess.Popen(
            ["sh", "-c", pipes, "sh", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            try:
                yield Browser(process)
            finally:
                process.terminate()
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
