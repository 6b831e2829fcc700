"""The least of an API server that the controller's informers need: lists and watches of objects that a test puts in."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

from controller.watch import KINDS

PLURALS = {kind: resource.plural for kind, (resource, _) in KINDS.items()}
POLL_S = 0.2


class ObjectFeed:
    """Serves on a loopback port until it is stopped."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._version = 1
        self._objects: dict[str, dict[tuple[str, str], dict[str, Any]]] = defaultdict(dict)
        self._events: list[tuple[int, str, str, dict[str, Any]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def put(self, raw: dict[str, Any]) -> None:
        """Create or replace an object."""
        with self._changed:
            objects, key = self._objects[PLURALS[raw["kind"]]], _key(raw)
            self._version += 1
            raw = {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(self._version)}}
            self._events.append((self._version, PLURALS[raw["kind"]], "MODIFIED" if key in objects else "ADDED", raw))
            objects[key] = raw
            self._changed.notify_all()

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        with self._changed:
            raw = self._objects[PLURALS[kind]].pop((namespace, name))
            self._version += 1
            raw = {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(self._version)}}
            self._events.append((self._version, PLURALS[kind], "DELETED", raw))
            self._changed.notify_all()

    def everything(self) -> list[dict[str, Any]]:
        """Every object, as it is now."""
        with self._changed:
            return [raw for objects in self._objects.values() for raw in objects.values()]

    def listing(self, plural: str) -> dict[str, Any]:
        with self._changed:
            items = list(self._objects[plural].values())
            return {
                "kind": "List",
                "apiVersion": "v1",
                "metadata": {"resourceVersion": str(self._version)},
                "items": items,
            }

    def events_after(self, plural: str, version: int) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
        """Waits a while for something to happen; up to which version this tells."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > version, POLL_S)
            told = [(kind, raw) for number, one, kind, raw in self._events if one == plural and number > version]
            return self._version, told

    def wrote(self, told: list[tuple[str, dict[str, Any]]]) -> None:
        """Of these events somebody has been told: nothing more of them is here."""

    def kubeconfig(self, path: Path) -> Path:
        """Writes a file that leads here."""
        server = f"http://127.0.0.1:{self._server.server_address[1]}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": {"server": server}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "current-context": "fake",
        }
        path.write_text(json.dumps(config))
        return path

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _key(raw: dict[str, Any]) -> tuple[str, str]:
    return (raw["metadata"].get("namespace", ""), raw["metadata"]["name"])


def _handler(api: ObjectFeed) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlparse(self.path)
            query = parse_qs(url.query)
            plural = url.path.rsplit("/", 1)[-1]
            if query.get("watch", ["false"])[0] in ("true", "1"):
                self._watch(plural, int(query.get("resourceVersion", ["0"])[0]))
            else:
                body = json.dumps(api.listing(plural)).encode()
                self._start({"Content-Length": str(len(body))})
                self.wfile.write(body)

        def _start(self, headers: dict[str, str]) -> None:
            self.send_response(200)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def _watch(self, plural: str, version: int) -> None:
            self._start({"Transfer-Encoding": "chunked"})
            try:
                while True:
                    version, told = api.events_after(plural, version)
                    for kind, raw in told:
                        line = json.dumps({"type": kind, "object": raw}).encode() + b"\n"
                        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                    self.wfile.flush()
                    api.wrote(told)
            except OSError:
                pass  # the client went away

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
