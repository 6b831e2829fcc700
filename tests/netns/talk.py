"""Servers that say who they are and who asked, and clients that ask them, inside namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from handmade import Handmade, Host

PORT = 8080
SERVER = """
import socket, sys, threading
def answer(client): return f"{sys.argv[1]} {client[0]}".encode()
def datagrams(one):
    while True:
        asked, client = one.recvfrom(65535); one.sendto(answer(client).ljust(len(asked)), client)
def connections(one):
    one.listen(64)
    while True: threading.Thread(target=talk, args=one.accept(), daemon=True).start()
def talk(one, client):
    one.sendall(answer(client))
    while one.recv(100): one.sendall(b"still here")
STREAM, DATAGRAM, SCTP = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.IPPROTO_SCTP
for kind, protocol, serve in (STREAM, 0, connections), (DATAGRAM, 0, datagrams), (STREAM, SCTP, connections):
    try: one = socket.socket(socket.AF_INET, kind, protocol)
    except OSError: continue  # a kernel without SCTP
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); one.bind(("", int(sys.argv[2])))
    threading.Thread(target=serve, args=(one,), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""
CLIENT = """
import socket, sys
def datagram(one):  # who asks by UDP asks again where no answer comes
    for _ in range(3):
        one.send(b"who?")
        try: return one.recv(100)
        except TimeoutError as error: late = error
    raise late
def ask(kind, address, port):
    protocol = socket.IPPROTO_SCTP if kind == "SCTP" else 0
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "UDP" else socket.SOCK_STREAM, protocol)
    one.settimeout(2 if kind == "UDP" else 6)
    try:
        one.connect((address, port))
        return (datagram(one) if kind == "UDP" else one.recv(100)).decode()
    except OSError as error: return type(error).__name__
    finally: one.close()
for line in sys.stdin:
    kind, address, port, times = line.split()
    print("\\t".join(ask(kind, address, int(port)) for _ in range(int(times))), flush=True)
"""
STAY = """
import socket, sys
one = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3); one.settimeout(3)
print(one.recv(100).decode(), flush=True)
for line in sys.stdin:
    one.sendall(line.encode()); print(one.recv(100).decode(), flush=True)
"""


@contextmanager
def with_servers(lab: Handmade, *names: str, port: int = PORT) -> Iterator[None]:
    """A server on TCP and UDP in each of these hosts, and on SCTP where the kernel has it."""
    servers = [lab.hosts[name].python(SERVER, name, str(port)) for name in names]
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
    return said_often(client, kind, address, port, 1)[0]


def said_often(client: Host, kind: str, address: str, port: int, times: int) -> list[str]:
    """What each of so many connections, one after the other, was answered; or the name of its error."""
    if client.talker is None:
        client.talker = client.python(CLIENT)
    assert client.talker.stdin is not None
    assert client.talker.stdout is not None
    client.talker.stdin.write(f"{kind} {address} {port} {times}\n")
    client.talker.stdin.flush()
    return client.talker.stdout.readline().rstrip("\n").split("\t")
