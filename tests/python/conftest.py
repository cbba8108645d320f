"""The real binary in a folder of its own, for callers that are not written in Rust."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

ACCESS_KEY_ID = "MCPYTHONTESTS"
SECRET = "python-tests-secret-0123456789"
ROOT = pathlib.Path(__file__).resolve().parents[2]


def binary():
    return os.environ.get("MESSAGE_CENTER_BIN", str(ROOT / "target/debug/message-center"))


class Center:
    """A running message center."""

    def __init__(self, folder, *flags):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.folder = folder
        self.flags = flags
        self.log = open(folder / "log.txt", "w+b")
        self.start()

    def start(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MESSAGE_CENTER_")}
        environment |= {
            "MESSAGE_CENTER_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "MESSAGE_CENTER_SECRET_ACCESS_KEY": SECRET,
            "MESSAGE_CENTER_ADMIN_PASSWORD": "a long password",
        }
        self.process = subprocess.Popen(
            [binary(), "serve", "--listen", self.host, "--data-dir", str(self.folder / "data"), *self.flags],
            env=environment, stdout=self.log, stderr=subprocess.STDOUT,
        )
        self.wait()

    def kill(self):
        """What a power cut or the kernel would do: no word of warning."""
        self.process.kill()
        self.process.wait(15)

    def wait(self):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"not ready: {self.logs()}")

    def logs(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)


@pytest.fixture(scope="session")
def center(tmp_path_factory):
    center = Center(tmp_path_factory.mktemp("center"), "--sandbox")
    yield center
    center.stop()


@pytest.fixture
def receiver():
    """An endpoint that keeps what it is told."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            server.told.append((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.told = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def until(condition, seconds=20):
    """Waits until the condition gives something true, and gives that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def read(answer):
    body = answer.read()
    return json.loads(body) if body else None


