"""The way from the functions to the local AWS. Tests see every call on it, and may answer in AWS's place."""

import http.client
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from serving import Server


class Call:
    """One call of a function to AWS."""

    def __init__(self, behind, method, path, headers, body):
        self.behind, self.method, self.path, self.headers, self.body = behind, method, path, headers, body
        # DynamoDB, SQS and Secrets Manager name the operation, SES has a path for it.
        target = headers.get("x-amz-target", "").rpartition(".")[2]
        self.operation = "SendEmail" if path == "/v2/email/outbound-emails" else target

    def said(self):
        """What was asked for."""
        return json.loads(self.body)

    def forward(self, said=None):
        """Lets AWS answer, to something else if that is given; gives status, headers and body."""
        body = self.body if said is None else json.dumps(said).encode()
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")}
        connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=60)
        try:
            connection.request(self.method, self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


class Proxy(Server):
    """Forwards to the AWS at the port `behind`, unless a test meddles."""

    def __init__(self, behind):
        self.behind = behind
        self.meddle = None
        super().__init__(Handler)

    @contextmanager
    def meddling(self, meddle):
        """Meanwhile `meddle` is shown each call, and answers it or gives None."""
        self.meddle = meddle
        try:
            yield
        finally:
            self.meddle = None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer's head and body leave together, or the client waits for the second.
    wbufsize = -1

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        call = Call(self.server.behind, self.command, self.path, self.headers, body)
        meddle = self.server.meddle
        status, headers, body = (meddle and meddle(call)) or call.forward()
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass
