"""The scene of a lab as it is: pods counted, links watched."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import yaml

from k8sshim.client import PODS, Client
from k8sshim.objects import Pod
from lab.state import Lab
from lab.tracing import link_use, port_states
from lab.tracing.tracer import Switches
from topo import plan, spec

from .scene import Scene, scene_of

WATCHED_S = 1.0


def scene_of_lab(lab: Lab) -> Scene:
    """Takes as long as links are watched. Raises PodwireError."""
    described = spec.parse(yaml.safe_load((lab.folder / "cluster.yaml").read_text()))
    planned = plan.plan(replace(described, name=lab.name))
    found = (Pod.parse(raw) for raw in Client(lab.kubeconfig).list(PODS)[0])
    pods = Counter(pod.node for pod in found if pod.node and not pod.finished)
    switches = Switches.of(lab)
    use = link_use.watch(switches, planned.links, WATCHED_S)
    down = port_states.down(planned.links, port_states.parse(switches.port_states()))
    return scene_of(planned, pods, use.rates, use.seconds, down=down)
