"""Runs one AWS emulator in this process, with a clock that tests can turn.

    emulator.py ministack|moto PORT CONTROL_PORT

`POST /advance?SECONDS` on the control port moves the emulator's clock on.
"""

import datetime
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

real_time = time.time
ahead = 0.0


def turned_time():
    return real_time() + ahead


class Control(BaseHTTPRequestHandler):
    def do_POST(self):
        global ahead
        ahead += float(self.path.partition("?")[2] or 0)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


def end_with(parent):
    """Ends this process when the one that started it is gone, however that ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def ministack(port):
    # A host that is a name, because a function's URL has to be one; no port for devices, which would be a fixed one.
    os.environ.update(GATEWAY_PORT=port, BIND_HOST="127.0.0.1", MINISTACK_HOST="localhost", IOT_MTLS_ENABLED="0",
                      MINISTACK_ACCOUNT_ID="123456789012", LOG_LEVEL=os.environ.get("LOG_LEVEL", "WARNING"))
    sys.argv = ["ministack"]
    from ministack.app import main

    main()


def moto(port):
    import moto.core.utils

    def utcnow():
        return datetime.datetime.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)

    moto.core.utils.utcnow = utcnow
    from moto.server import main

    main(["-H", "127.0.0.1", "-p", port])


if __name__ == "__main__":
    kind, port, control = sys.argv[1:]
    time.time = turned_time
    server = HTTPServer(("127.0.0.1", int(control)), Control)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=end_with, args=[os.getppid()], daemon=True).start()
    {"ministack": ministack, "moto": moto}[kind](port)
