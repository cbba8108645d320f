"""A platform that takes messages, keeps what it got, and may hold its answers back."""

import json
import os
import pathlib
import signal
import threading
from http.server import BaseHTTPRequestHandler

from local_aws import until
from serving import Server

# A function gives a push up after 15 s. An answer that is held for longer is nobody's.
PATIENCE = 30


class Push:
    """One push, and who made it."""

    def __init__(self, body, headers, port):
        self.message, self.text, self.id = body["message"]["id"], body["text"], headers["webhook-id"]
        self.port = port
        self.answer = threading.Event()

    def process(self):
        """The process at the other end of the connection."""
        name = f"socket:[{socket_of(self.port)}]"
        return until(lambda: next((pid for pid in processes() if name in open_files(pid)), None), 10)

    def kill(self):
        """Ends the function that waits for the answer, as a function ends that needs too much memory."""
        os.kill(self.process(), signal.SIGKILL)


class Im(Server):
    """Pushes arrive at `url`."""

    def __init__(self):
        self.pushes = []
        self.held_back = set()
        super().__init__(Handler)
        self.url += "/messages"

    def hold(self, *texts):
        """Pushes of these texts get no answer from now on."""
        self.held_back = set(texts)

    def of(self, text):
        """The pushes of this text."""
        return [push for push in list(self.pushes) if push.text == text]

    def held(self, text, count=1):
        """The push of this text that waits for its answer, once it is the one of this number."""
        return until(lambda: len(self.of(text)) >= count and self.of(text)[-1], 60, lambda: f"{text} did not come")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        push = Push(body, self.headers, self.client_address[1])
        self.server.pushes.append(push)
        if push.text in self.server.held_back:
            push.answer.wait(PATIENCE)
        self.send_response_only(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def socket_of(port):
    """The number of the socket from which a connection of this port was made."""
    lines = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return next(fields[9] for fields in lines if int(fields[1].rpartition(":")[2], 16) == port and fields[9] != "0")


def processes():
    return [int(path.name) for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]


def open_files(pid):
    """What a process has open; nothing of one that is gone."""
    try:
        return {os.readlink(path) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return set()
