"""Killed again and again in the middle of its work, the center loses nothing and tells nothing twice."""

import base64
import collections
import http.client
import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from conftest import ACCESS_KEY_ID, SECRET, Center, until
from signing import call

KILLS = 22
BASIC = "Basic " + base64.b64encode(f"{ACCESS_KEY_ID}:{SECRET}".encode()).decode()


class World(ThreadingHTTPServer):
    """A platform that takes messages, and an endpoint that is told of results."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.pushes = collections.Counter()
        self.completed = collections.defaultdict(set)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A connection that breaks because the center was killed is what this is about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/im":
            with self.server.lock:
                self.server.pushes[body["message"]["id"]] += 1
            # Slow enough that some pushes are under way whenever the center is killed.
            time.sleep(random.uniform(0, 0.02))
        else:
            with self.server.lock:
                self.server.completed[body["data"]["message_id"]].add(self.headers["webhook-id"])
        self.send_response(200)
        self.send_header("content-length", "11")
        self.end_headers()
        self.wfile.write(b'{"code": 0}')

    def log_message(self, *_):
        pass


class Caller(threading.Thread):
    """Sends as fast as it can; what got no answer is sent again with the same key until it has one."""

    def __init__(self, center, number, accepted):
        super().__init__(daemon=True)
        self.center, self.number, self.accepted = center, number, accepted
        self.stop = threading.Event()
        self.open = None
        self.count = 0

    def run(self):
        while not self.stop.is_set() or self.open:
            if self.open is None:
                self.count += 1
                self.open = (f"key-{self.number}-{self.count}", *self.request())
            key, path, body = self.open
            try:
                connection = http.client.HTTPConnection(self.center.host, timeout=10)
                headers = {"authorization": BASIC, "content-type": "application/json", "idempotency-key": key}
                connection.request("POST", path, json.dumps(body), headers)
                answer = connection.getresponse()
                text = answer.read()
                connection.close()
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
                continue
            assert answer.status == 202, (answer.status, text)
            results = json.loads(text)
            ids = [m["id"] for m in results["results"]] if "results" in results else [results["id"]]
            self.accepted[key] = ids
            self.open = None

    def request(self):
        message = {"template": "crash", "data": {"n": f"{self.number}/{self.count}"}, "reference": f"r{self.number}"}
        if self.count % 5 == 0:
            return "/v1/messages/batch", {"messages": [message] * 10}
        return "/v1/messages", message


def everything(center):
    """All messages by id, page by page."""
    messages, cursor = {}, None
    while True:
        params = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
        status, page = call(center, "GET", "/v1/messages", params=params)
        assert status == 200, page
        messages |= {m["id"]: m for m in page["items"]}
        cursor = page["next_cursor"]
        if cursor is None:
            return messages


def test_nothing_is_lost_and_nothing_is_told_twice(tmp_path):
    world = World()
    address = f"http://127.0.0.1:{world.server_address[1]}"
    center = Center(tmp_path)
    assert call(center, "PUT", "/v1/channels/im", {"kind": "webhook", "settings": {"url": f"{address}/im"}})[0] == 201
    template = {"title": "n", "body": "{{ n }}", "routing": {"channels": ["im"]}}
    assert call(center, "PUT", "/v1/templates/crash", template)[0] == 201
    results = {"url": f"{address}/results", "events": ["message.completed"]}
    assert call(center, "PUT", "/v1/webhooks/results", results)[0] == 201

    accepted = {}
    callers = [Caller(center, n, accepted) for n in range(6)]
    for caller in callers:
        caller.start()
    for _ in range(KILLS):
        time.sleep(random.uniform(0.05, 0.5))
        center.kill()
        center.start()
    for caller in callers:
        caller.stop.set()
    for caller in callers:
        caller.join(60)
        assert not caller.is_alive() and caller.open is None

    ids = [i for many in accepted.values() for i in many]
    assert len(ids) == len(set(ids)) > 200, "too little happened to prove anything"
    end = time.monotonic() + 120
    while True:
        messages = everything(center)
        undecided = [m for m in messages.values() if m["status"] != "completed"]
        if not undecided:
            break
        assert time.monotonic() < end, f"{len(undecided)} still open: {undecided[:3]}"
        time.sleep(0.05)
    assert set(messages) == set(ids), "what was accepted exists, and nothing exists that was not accepted"

    again = 0
    for message in messages.values():
        attempts = message["deliveries"][0]["attempts"]
        doubts = sum(a["outcome"] == "in_doubt" for a in attempts)
        pushes = world.pushes[message["id"]]
        assert 1 <= pushes <= 1 + doubts, (pushes, attempts)
        again += pushes - 1
    until(lambda: set(world.completed) >= set(ids), 60)
    assert all(len(told) == 1 for told in world.completed.values()), "one logical event each"
    print(f"{len(ids)} messages, {KILLS} kills, {again} pushed again, each in doubt")

    status, listed = call(center, "GET", "/v1/dead-letters")
    assert status == 200 and listed["items"] == []
    center.stop()
    assert "panicked" not in center.logs()
