"""One local AWS for all tests of a run, with one deployed stack, the sandbox platforms and a receiver of webhooks."""

import json
import os
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from im import Im
from local_aws import ROOT, LocalAws, Program, answers, deploy, free_port, lay_out, until

# The words of docs/DEPLOY.md, and what only a local place needs besides: its functions may reach this machine.
DEPLOY = "sam deploy --config-env dev"
assert f"\n{DEPLOY}\n" in (ROOT / "docs/DEPLOY.md").read_text(), "the guide deploys in other words"
LOCAL = " --parameter-overrides Architecture=x86_64 Protect=false EgressAllow=127.0.0.0/8 SesIdentity=example.com"


class Sandbox:
    """The sandbox platforms of the runner."""

    def __init__(self, folder):
        self.port, self.smtp = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}/sandbox"
        binary = os.environ.get("MESSAGE_CENTER_BIN", str(ROOT / "target/debug/message-center"))
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MESSAGE_CENTER_")}
        self.program = Program(
            folder, "sandbox",
            [binary, "serve", "--sandbox", "--listen", f"127.0.0.1:{self.port}", "--data-dir", str(folder / "sandbox")],
            clean | {"MESSAGE_CENTER_SERVER_SANDBOX_SMTP": f"127.0.0.1:{self.smtp}"},
        )
        until(lambda: answers(f"http://127.0.0.1:{self.port}/healthz"), 30, self.program.words)

    def inbox(self, word):
        """Everything that arrived and holds this word."""
        with urllib.request.urlopen(f"{self.url}/_inbox", timeout=10) as answer:
            items = json.load(answer)
        items = items.get("items", items) if isinstance(items, dict) else items
        return [item for item in items if word in json.dumps(item, ensure_ascii=False)]

    def stop(self):
        self.program.stop()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="session")
def sandbox(folder):
    sandbox = Sandbox(folder)
    yield sandbox
    sandbox.stop()


@pytest.fixture(scope="session")
def aws(folder, sandbox):
    aws = LocalAws(folder, f"127.0.0.1:{sandbox.smtp}")
    yield aws
    aws.stop()


@pytest.fixture(scope="session")
def im():
    im = Im()
    yield im
    im.stop()


@pytest.fixture(scope="session")
def stack(aws, folder, sandbox, im):
    """The stack, after its first start, with channels and a template."""
    lay_out(folder)
    stack = deploy(aws, folder, DEPLOY + LOCAL)
    event = json.loads((ROOT / "events/schedule.json").read_text())
    stack.invoke("schedule", event)
    channels = {
        "robot": {"kind": "wecom_robot", "secrets": {"key": "5a1db0c5-0000-4000-8000-000000000001"}, "base_url": sandbox.url},
        "mail": {"kind": "email_smtp", "settings": {
            "host": "127.0.0.1", "port": sandbox.smtp, "security": "none", "from": "Message Center <center@example.com>",
        }},
        "ses": {"kind": "email_ses", "settings": {
            "from": "Message Center <center@example.com>", "configuration_set": stack.outputs["Feedback"],
        }},
        "im": {"kind": "webhook", "settings": {"url": im.url}},
        "careful": {"kind": "webhook", "settings": {"url": im.url}, "on_doubt": "hold"},
    }
    for name, channel in channels.items():
        status, _, answer = stack.call("PUT", f"/v1/channels/{name}", channel)
        assert status == 201, answer
    template = {
        "title": "Hello, {{ name }}", "body": "Hello **{{ name }}**", "format": "markdown",
        "routing": {"mode": "all", "channels": ["robot", "mail"]},
    }
    status, _, answer = stack.call("PUT", "/v1/templates/hello", template)
    assert status == 201, answer
    yield stack


@pytest.fixture(scope="session")
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
