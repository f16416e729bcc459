"""A real browser that a test controls: Chromium, through a pipe with the DevTools protocol."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.patience import HANG_SECONDS, wait_for

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Chromium reads commands from descriptor 3, and writes responses and events to descriptor 4.
_WITH_PIPES = """
import os, sys
os.dup2(int(sys.argv[1]), 3), os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
_KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, "")}

# Texts and fields whose contrast is below that of WCAG 2.2, level AA.
CONTRASTS = """(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => channels(color).slice(0, 3).map((value) => value / 255)
    .map((value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const canvas = document.createElement("p");
  canvas.style.backgroundColor = "Canvas";
  document.body.append(canvas);
  const base = getComputedStyle(canvas).backgroundColor;
  canvas.remove();
  const background = (node) => {
    if (!node) return base;
    const color = getComputedStyle(node).backgroundColor;
    return (channels(color)[3] ?? 1) > 0 ? color : background(node.parentElement);
  };
  const contrast = (one, other) => {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const style = getComputedStyle(node);
    const written = [...node.childNodes].some((child) => child.nodeType === 3);
    if (!node.checkVisibility() || (!node.offsetParent && !node.ownerSVGElement)) continue;
    // In a plot, only texts matter, and those on bars have the colour of the page.
    if (node.ownerSVGElement && (!node.matches("text") || style.fill === background(node))) continue;
    const text = contrast(node.ownerSVGElement ? style.fill : style.color, background(node));
    if (written && text < 4.5) poor.push([node.outerHTML, "text", text]);
    const border = contrast(style.borderTopColor, background(node.parentElement));
    const field = node.matches("input, textarea, select, button:not(.primary)");
    if (field && border < 3) poor.push([node.outerHTML, "border", border]);
  }
  return poor;
})()"""


class Page:
    """A page in a browser.

    Attributes:
        problems: exceptions, errors on the console, violations of the page's policy.
        requests: the URL of each request.
    """

    def __init__(self, commands: int, events: int) -> None:
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._commands = os.fdopen(commands, "wb", buffering=0)
        self._events = os.fdopen(events, "rb")
        self._ids = 0
        self._loads = 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol."""
        self._ids += 1
        message = {"id": self._ids, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        while True:
            reply = self._read()
            if reply.get("id") == self._ids:
                assert "error" not in reply, f"{method}: {reply['error']}"
                return dict(reply["result"])
            self._record(reply)

    def open(self, url: str) -> None:
        """Open an address, and wait until the page is loaded."""
        loads = self._loads
        self.call("Page.navigate", url=url)
        # Meanwhile, scripts would run in the previous page.
        while self._loads == loads:
            self._record(self._read())

    def run(self, script: str) -> Any:
        """Run JavaScript, and return its value."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, f"{script}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        wait_for(lambda: self.run(f"Boolean({condition})"), f"{condition} in: {self.text}")

    @property
    def text(self) -> str:
        """The visible text."""
        return str(self.run("document.body.innerText"))

    def type(self, text: str) -> None:
        """Type text where the focus is."""
        self.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press a key."""
        code, text = _KEYS[key]
        event = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def emulate(
        self, *, dark: bool = False, width: int = 1000, height: int = 800, printed: bool = False
    ) -> None:
        """Set colour scheme, size of the window, and whether it shows what would be printed."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        media = "print" if printed else ""
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def screenshot(self, file: Path) -> None:
        """Write what the window shows."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _read(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._events.read(1)) != b"\0":
            assert byte, "the browser ended"
            message += byte
        return dict(json.loads(message))

    def _record(self, message: dict[str, Any]) -> None:
        event, params = message.get("method"), message.get("params", {})
        if event == "Page.loadEventFired":
            self._loads += 1
        elif event == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(str(params["args"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(params["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])


@contextmanager
def open_page(directory: Path) -> Iterator[Page]:
    """Yield a page in a new browser, whose profile is in `directory`."""
    read_commands, commands = os.pipe()
    events, write_events = os.pipe()
    # Above 4, so that none is replaced before it is duplicated.
    pipes = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in (read_commands, write_events)]
    launcher = [sys.executable, "-c", _WITH_PIPES, *map(str, pipes), str(PROGRAM)]
    options = [*OPTIONS, "--remote-debugging-pipe", f"--user-data-dir={directory / 'profile'}"]
    with (directory / "browser.log").open("wb") as log:
        browser = subprocess.Popen(
            [*launcher, *options], pass_fds=pipes, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    for descriptor in (read_commands, write_events, *pipes):
        os.close(descriptor)
    try:
        yield Page(commands, events)
    finally:
        browser.terminate()
        browser.wait(HANG_SECONDS)
