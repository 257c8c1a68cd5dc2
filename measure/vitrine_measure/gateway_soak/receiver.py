"""A receiver of webhooks on loopback."""

from __future__ import annotations

import json
import random
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """Receives webhooks on loopback; refuses one in five."""

    def __init__(self) -> None:
        self.ids: defaultdict[str, set[str]] = defaultdict(set)  # of messages, by job or batch
        self.count = 0
        receiver, draw = self, random.Random(1)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                refused = draw.random() < 0.2
                if not refused:
                    receiver.count += 1
                    receiver.ids[body["data"]["id"]].add(self.headers["webhook-id"])
                self.send_response(500 if refused else 200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
