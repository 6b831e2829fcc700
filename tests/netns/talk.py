"""Servers that say who they are and who asked, and clients that ask them, inside namespaces."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from handmade import Handmade, Host

PORT = 8080
SERVER = f"""
import socket, sys, threading
tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind(("", {PORT})); tcp.listen(64); udp.bind(("", {PORT}))
def datagrams():
    while True:
        _, client = udp.recvfrom(100); udp.sendto(f"{{sys.argv[1]}} {{client[0]}}".encode(), client)
def talk(one, client):
    one.sendall(f"{{sys.argv[1]}} {{client[0]}}".encode())
    while one.recv(100): one.sendall(b"still here")
threading.Thread(target=datagrams, daemon=True).start()
print("ready", flush=True)
while True: threading.Thread(target=talk, args=tcp.accept(), daemon=True).start()
"""
CLIENT = """
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
one = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "TCP" else socket.SOCK_DGRAM); one.settimeout(3)
try:
    one.connect((address, port))
    if kind == "UDP": one.send(b"who?")
    print(one.recv(100).decode())
except OSError as error: print(type(error).__name__)
"""
STAY = """
import socket, sys
one = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3); one.settimeout(3)
print(one.recv(100).decode(), flush=True)
for line in sys.stdin:
    one.sendall(line.encode()); print(one.recv(100).decode(), flush=True)
"""


@contextmanager
def with_servers(lab: Handmade, *names: str) -> Iterator[None]:
    """A server on TCP and UDP in each of these hosts."""
    servers = [lab.hosts[name].python(SERVER, name) for name in names]
    try:
        for server in servers:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
        yield
    finally:
        for server in servers:
            server.kill()
            server.communicate()


def ask(client: Host, kind: str, address: str, port: int) -> tuple[str, str]:
    """Who answered, and whom it saw asking; the error's name and nothing where nobody answered."""
    server, _, seen = said(client, kind, address, port).partition(" ")
    return server, seen


def refused_at_once(client: Host, kind: str, address: str, port: int) -> bool:
    return said(client, kind, address, port) == "ConnectionRefusedError"


def said(client: Host, kind: str, address: str, port: int) -> str:
    return client.run(sys.executable, "-c", CLIENT, kind, address, str(port)).stdout.strip()
