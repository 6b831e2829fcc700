"""Says over HTTP whether the name server answers, by asking it: what the pod's readiness probe wants to know."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/ready"


def serve(port: int, ready: Callable[[], bool]) -> ThreadingHTTPServer:
    """Answer at `port` in threads of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == PATH
            status = HTTPStatus.NOT_FOUND if not known else HTTPStatus.OK if ready() else HTTPStatus.SERVICE_UNAVAILABLE
            body = f"{status.phrase}\n".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A line a probe would be all that the log holds."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="readiness", daemon=True).start()
    return server
