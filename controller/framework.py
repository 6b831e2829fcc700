"""Chooses the OpenFlow framework, os-ken or Ryu, and hides it: no other file imports either.

Ryu's application programming interface is the same, os-ken being its fork, so one code serves both. They differ in the
package's name, the application class's name, and their threads (native here, eventlet's there).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

Datapath = Any  # a switch's connection, as the framework has it: `id`, `send`, `ofproto`, `ofproto_parser`
Message = Any  # a parsed OpenFlow message
OPENFLOW_VERSION = 0x05  # OpenFlow 1.4
SOCKET_TIMEOUT_S = 60.0  # a switch that takes in thousands of flows reads nothing else meanwhile
FLOW_STATS = struct.Struct("!HB21xQ")  # length, table, (times, priority, flags,) cookie
MESSAGES = ("FlowStatsReply", "GroupDescStatsReply", "BundleCtrlMsg", "ErrorMsg", "PacketIn", "PortStatus")


class Events(Protocol):
    """What the framework tells of; called in its threads, so whoever listens passes on and returns."""

    def connected(self, datapath: Datapath) -> None: ...

    def disconnected(self, datapath: Datapath) -> None: ...

    def received(self, datapath: Datapath, message: Message) -> None: ...


class UnixSocket:
    """A connection on a unix socket, for a framework that sets an option of TCP on whatever it accepts."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def setsockopt(self, level: int, *option: Any) -> None:
        if level != socket.IPPROTO_TCP:
            self._connection.setsockopt(level, *option)


@dataclass(frozen=True)
class HeldFlow:
    """What the controller wants to know of a flow that a switch holds.

    The framework's own class reads match and actions, too: eight seconds instead of one for 60,000 flows.
    """

    length: int
    table_id: int
    cookie: int

    @classmethod
    def parser(cls, buf: bytes, offset: int) -> HeldFlow:
        """One entry of a reply (OpenFlow 1.4.0, 7.3.5.2)."""
        return cls(*FLOW_STATS.unpack_from(buf, offset))


@dataclass(frozen=True)
class Framework:
    """One of the two, loaded."""

    package: str
    hub: Any
    protocol: Any  # an object with OpenFlow 1.4's `ofproto` and `ofproto_parser`

    def module(self, name: str) -> Any:
        return import_module(f"{self.package}.{name}")

    def spawn(self, function: Callable[[], None]) -> Any:
        return self.hub.spawn(function)

    def queue(self) -> Any:
        """An unbounded queue between the framework's threads."""
        return self.hub.Queue()

    def serve(self, path: Path, events: Events) -> None:
        """Listen on a unix socket, for ever, and tell of every switch that connects."""
        self._start_apps(events)
        with suppress(FileNotFoundError):
            path.unlink()
        controller = self.module("controller.controller")
        server = self.hub.StreamServer(
            (str(path.absolute()), None),
            lambda connection, address: controller.datapath_connection_factory(UnixSocket(connection), address),
        )
        path.chmod(0o600)
        server.serve_forever()

    def _start_apps(self, events: Events) -> None:
        """The framework's own handler of handshakes and ours, without the framework's listener (it wants TCP)."""
        handler = self.module("controller.ofp_handler").OFPHandler
        self.module("cfg").CONF.set_override("socket_timeout", SOCKET_TIMEOUT_S)
        manager = self.module("base.app_manager")
        base = manager.OSKenApp if hasattr(manager, "OSKenApp") else manager.RyuApp
        apps = manager.AppManager.get_instance()
        for app in (handler, _application(self, base)):
            instance = apps.instantiate(app)
            base.start(instance)
            instance.listener = events


def _application(framework: Framework, base: type) -> type:
    """The application class, whose base is known only now."""
    handlers = framework.module("controller.handler")
    ofp_event = framework.module("controller.ofp_event")
    alive, dead = handlers.MAIN_DISPATCHER, handlers.DEAD_DISPATCHER

    def on_state(self: Any, event: Any) -> None:
        (self.listener.connected if event.state == alive else self.listener.disconnected)(event.datapath)

    def on_message(self: Any, event: Any) -> None:
        self.listener.received(event.msg.datapath, event.msg)

    watch_state = handlers.set_ev_cls(ofp_event.EventOFPStateChange, [alive, dead])
    messages = [getattr(ofp_event, f"EventOFP{name}") for name in MESSAGES]
    watch_messages = handlers.set_ev_cls(messages, alive)
    members = {
        "OFP_VERSIONS": [OPENFLOW_VERSION],
        "on_state": watch_state(on_state),
        "on_message": watch_messages(on_message),
    }
    return type("Switches", (base,), members)


def load(name: str) -> Framework:
    """The framework `os-ken` or `ryu`. To be called before threads and sockets are used: Ryu's hub replaces both."""
    package = {"os-ken": "os_ken", "ryu": "ryu"}[name]
    if package == "ryu":
        _mend_eventlet()
    hub = import_module(f"{package}.lib.hub")
    hub.patch()
    protocol = import_module(f"{package}.ofproto.ofproto_protocol").ProtocolDesc(OPENFLOW_VERSION)
    protocol.ofproto_parser.OFPFlowStatsReply.cls_stats_body_cls = HeldFlow
    return Framework(package, hub, protocol)


def _mend_eventlet() -> None:
    """Ryu 4.34 imports a name that eventlet 0.30.3 and later do not have."""
    wsgi: Any = import_module("eventlet.wsgi")
    if not hasattr(wsgi, "ALREADY_HANDLED"):
        wsgi.ALREADY_HANDLED = object()
