"""A headless Chromium that a test looks into: its pages run scripts, and its camera shows a file."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.waiting import wait_for

needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")
LIMIT_S = 60


class Page:
    """One page over Chromium's DevTools protocol."""

    def __init__(self, connection: ClientConnection):
        self._connection, self._numbers = connection, count(1)

    def call(self, method: str, **parameters: Any) -> dict:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(timeout=60))
            if answer.get("id") == number:
                return answer["result"]

    def evaluate(self, script: str) -> Any:
        """The value of a script; a promise's where it is one."""
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self.call("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """The script's first value that is not empty."""
        return wait_for(lambda: self.evaluate(script), script, LIMIT_S)

    def press_enter(self) -> None:
        """Press Enter on whatever has the focus."""
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        self.call("Input.dispatchKeyEvent", type="keyDown", text="\r", **key)
        self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def choose(self, field: str, file: Path) -> None:
        """Choose a file in an input field, given by its selector."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=field)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(file)], nodeId=node)


def _pages(listing: str, address: str) -> list[dict]:
    return [page for page in httpx.get(listing).json() if page["url"].startswith(address)]


@contextmanager
def browser(address: str, profile: Path, *options: str) -> Iterator[Page]:
    """A page at ``address``, which has loaded."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    given = [f"--user-data-dir={profile}", "--window-size=1100,1000", *options]
    process = subprocess.Popen([*command, *given, address], stderr=subprocess.DEVNULL)
    try:
        port_file = profile / "DevToolsActivePort"
        wait_for(lambda: port_file.is_file() and "\n" in port_file.read_text(), "Chromium", LIMIT_S)
        listing = f"http://127.0.0.1:{port_file.read_text().split()[0]}/json/list"
        pages = wait_for(lambda: _pages(listing, address), address, LIMIT_S)
        with connect(pages[0]["webSocketDebuggerUrl"], max_size=None) as connection:
            page = Page(connection)
            page.wait_for(f"location.href.startsWith('{address}') && document.readyState === 'complete'")
            yield page
    finally:
        process.terminate()
        process.wait(30)
