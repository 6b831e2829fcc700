"""A relay between a client and a server, so that a test can part the two and bring them together again."""

from __future__ import annotations

import contextlib
import socket
import threading


class Relay:
    """Passes bytes between connections to `port` and a server on loopback; while it is cut, it takes no connection."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._accept()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        self._shut(self._listener)
        for connection in self._connections:
            self._shut(connection)
        self._connections.clear()

    def heal(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accept()

    def _accept(self) -> None:
        threading.Thread(target=self._serve, args=[self._listener], daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the listener was shut
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._connections += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=[source, target], daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):  # either end was shut
            while data := source.recv(65536):
                target.sendall(data)
        self._shut(source)
        self._shut(target)

    @staticmethod
    def _shut(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has ended already
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
