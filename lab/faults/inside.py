"""Acts in the lab's sandbox: reads on stdin which effects to lift and to apply, and prints when it did; JSON, by lines.

    {"lift": [...], "apply": [...], "kill": ["openflow"]}  ->  {"began_s": ..., "done_s": ...}   (time.monotonic)
                                                           or  {"failed": "what could not be done, and why"}

An effect that is there already, or gone already, is no error.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

from controller.marks import FAULT_COOKIE
from controller.tables import CLASSIFIER
from k8sshim.errors import PodwireError
from lab.components import DEAD_NODES, NODE_POWER, PIDS, RUN, STOPPED
from topo.syscalls import inside, set_up
from topo.vsctl import DAEMONS, run, vsctl

OFCTL = ("ovs-ofctl", "-OOpenFlow14")
_DEAD = ".dead"  # what a controller's target ends in while its bridge is dark: nobody listens there
_AGENT_ANSWERS_S = 30.0
FIRST_OF_ALL = 65535  # the priority of what cuts a partition
_WITHOUT_NETEM = "this kernel has no netem, which loses and delays packets; podwire vm -- runs labs on one that has"
Effect = dict[str, Any]


def main() -> None:
    """Obey, line by line, until there is no other."""
    for line in sys.stdin:
        print(json.dumps(_obey(json.loads(line))), flush=True)


def _obey(orders: dict[str, Any]) -> dict[str, Any]:
    began_s = time.monotonic()
    try:
        act(orders["lift"], applies=False)
        act(orders["apply"], applies=True)
        for component in orders["kill"]:
            kill(component)
    except (PodwireError, OSError) as error:
        return {"failed": str(error)}
    return {"began_s": began_s, "done_s": time.monotonic()}


def act(effects: Iterable[Effect], *, applies: bool) -> None:
    """Apply or lift effects, those of one kind together."""
    by_kind: dict[str, list[Effect]] = {}
    for one in effects:
        by_kind.setdefault(one["effect"], []).append(one)
    for kind, several in by_kind.items():
        _ACTS[kind](several, applies)


def kill(component: str) -> None:
    """End a component's process, or those of Open vSwitch that have this name, with no chance to say good-bye."""
    files = (RUN / "switchd").glob(f"*/{component}.pid") if component in DAEMONS else [PIDS / component]
    for file in files:
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int(file.read_text()), signal.SIGKILL)


def _unplug(effects: list[Effect], applies: bool) -> None:
    for one in effects:
        with inside(one["namespace"]), suppress(OSError):  # a pod's or node's interface may be gone meanwhile
            set_up(one["interface"], not applies)


def _unpatch(effects: list[Effect], applies: bool) -> None:
    for group in sorted({one["group"] for one in effects}):
        words: list[str] = []
        for one in (one for one in effects if one["group"] == group):
            bridge, name = one["bridge"], one["interface"]
            if applies:
                words += ["--", "--if-exists", "del-port", bridge, name]
                continue
            words += ["--", "--may-exist", "add-port", bridge, name, "--", "set", "Interface", name, "type=patch"]
            words += [f"options:peer={one['peer']}", f"ofport_request={one['number']}"]
        vsctl(_folder(group) / "db.sock", *words)


def _mute(effects: list[Effect], applies: bool) -> None:
    word = "no-forward" if applies else "forward"
    _at_once([*OFCTL, "mod-port", _bridge(one), one["interface"], word] for one in effects)


def _shape(effects: list[Effect], applies: bool) -> None:
    for one in effects:
        device = ["dev", one["interface"], "root"]
        with inside(one["namespace"]):
            if not applies:
                with suppress(PodwireError):  # nothing is there to delete
                    run(["tc", "qdisc", "del", *device])
                vsctl(_folder(one["group"]) / "db.sock", "--if-exists", "clear", "Port", one["interface"], "qos")
                continue
            loss = ["loss", f"{one['percent']:g}%"] if one["percent"] else []
            delay = ["delay", f"{one['delay_ms'] * 1000:.0f}us"] if one["delay_ms"] else []
            try:
                run(["tc", "qdisc", "replace", *device, "netem", "limit", "100000", *delay, *loss])
            except PodwireError as error:
                raise PodwireError(_WITHOUT_NETEM if "unknown" in str(error) else str(error)) from error
        _keep_qdisc(one)


def _keep_qdisc(effect: Effect) -> None:
    """Open vSwitch takes the qdisc of a port away that it knows nothing of, whenever it configures its ports."""
    port = ["--", "set", "Port", effect["interface"], "qos=@kept"]
    vsctl(_folder(effect["group"]) / "db.sock", "--", "--id=@kept", "create", "QoS", "type=linux-noop", *port)


def _darken(effects: list[Effect], applies: bool) -> None:
    for one in effects:
        _aim(_folder(one["group"]) / "db.sock", one["bridge"], away=applies)
        if applies:
            _at_once([[*OFCTL, "del-flows", _bridge(one)], [*OFCTL, "del-groups", _bridge(one)]])


def _aim(database: Path, bridge: str, *, away: bool) -> None:
    """Point a bridge at its controller, or at nobody."""
    controller = vsctl(database, "get", "Bridge", bridge, "controller").strip().strip("[]")
    target = vsctl(database, "get", "Controller", controller, "target").strip().strip('"').removesuffix(_DEAD)
    vsctl(database, "set", "Controller", controller, f'target="{target}{_DEAD if away else ""}"')


def _node_dies(effects: list[Effect], applies: bool) -> None:
    DEAD_NODES.mkdir(exist_ok=True)
    for one in effects:
        file = DEAD_NODES / one["node"]
        file.touch() if applies else file.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent, suppress(OSError):  # one that starts looks itself
        agent.settimeout(_AGENT_ANSWERS_S)
        agent.connect(str(NODE_POWER))
        agent.recv(1)


def _stop(effects: list[Effect], applies: bool) -> None:
    STOPPED.mkdir(exist_ok=True)
    for one in effects:
        file = STOPPED / one["component"]
        if applies:
            file.touch()
            kill(one["component"])
        else:
            file.unlink(missing_ok=True)


def _part(effects: list[Effect], applies: bool) -> None:
    for one in effects:
        if not applies:
            run([*OFCTL, "del-flows", _bridge(one), f"cookie={FAULT_COOKIE:#x}/-1"])
            continue
        flows = [
            f"table={CLASSIFIER.number},priority={FIRST_OF_ALL},cookie={FAULT_COOKIE:#x},"
            f"ip,in_port={port},nw_src={source},actions=drop"
            for port in one["uplinks"]
            for source in one["sources"]
        ]
        _feed([*OFCTL, "--bundle", "add-flows", _bridge(one), "-"], "\n".join(flows))


_ACTS: dict[str, Callable[[list[Effect], bool], None]] = {
    "Unplugged": _unplug,
    "Unpatched": _unpatch,
    "Mute": _mute,
    "Shaped": _shape,
    "Apart": _part,
    "Dark": _darken,
    "NodeDead": _node_dies,
    "Stopped": _stop,
}


def _folder(group: str) -> Path:
    return RUN / "switchd" / group


def _bridge(effect: Effect) -> str:
    return f"unix:{_folder(effect['group']) / effect['bridge']}.mgmt"


def _at_once(commands: Iterable[list[str]]) -> None:
    """Start all before any is waited for: both ends of a link, say. Raises PodwireError."""
    started = [(argv[0], subprocess.Popen(argv, stdout=DEVNULL, stderr=PIPE)) for argv in commands]
    for program, process in started:
        _, said = process.communicate()
        if process.returncode:
            raise PodwireError(f"{program}: {' '.join(said.decode().split())}")


def _feed(argv: list[str], text: str) -> None:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PodwireError(f"{argv[0]}: {' '.join(done.stderr.split())}")


if __name__ == "__main__":
    main()
