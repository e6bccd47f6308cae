"""A place where Stripe's API is out of reach, until it comes back."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Any customer, by the id at the end of the path."""
        body = json.dumps({"id": self.path.rpartition("/")[2], "object": "customer"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The terminal is for the story."""


class StripeApi:
    """Holds a port on which connections are refused; after `come_back` it answers there."""

    def __init__(self) -> None:
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Answer, bind_and_activate=False)
        self._server.daemon_threads = True
        self._server.server_bind()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def come_back(self) -> None:
        self._server.server_activate()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.server_close()
