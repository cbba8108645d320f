"""What the servers have in common that functions call."""

import threading
from http.server import ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves at `url` until it is stopped."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A function that was killed leaves its connections broken, and takes no answer."""

    def stop(self):
        self.shutdown()
        self.server_close()
