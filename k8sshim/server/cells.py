"""How the cells of a table that need thought are read from an object. Pure."""

from __future__ import annotations

from collections.abc import Callable

from k8sshim.objects import Raw

from .columns import Cell, at


def ready_of_replicas(raw: Raw) -> str:
    return f"{at(raw, 'status.readyReplicas', 0)}/{at(raw, 'spec.replicas', 0)}"


def node_status(raw: Raw) -> str:
    conditions = {c.get("type"): c.get("status") for c in at(raw, "status.conditions", ())}
    ready = {"True": "Ready", "False": "NotReady"}.get(
        str(conditions.get("Ready")), "NotReady" if conditions else "Unknown"
    )
    return ready + (",SchedulingDisabled" if at(raw, "spec.unschedulable") else "")


def roles(raw: Raw) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = at(raw, "metadata.labels") or {}
    roles = {key.removeprefix(prefix) for key in labels if key.startswith(prefix)}
    if labels.get("kubernetes.io/role"):
        roles.add(labels["kubernetes.io/role"])
    return ",".join(sorted(roles)) or "<none>"


def address(address_type: str) -> Callable[[Raw], Cell]:
    def read(raw: Raw) -> str:
        found = (a.get("address") or "<none>" for a in at(raw, "status.addresses", ()) if a.get("type") == address_type)
        return next(found, "<none>")

    return read


def external_ip(raw: Raw) -> str:
    spec = raw.get("spec") or {}
    given = list(spec.get("externalIPs") or ())
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName") or "<none>")
    if spec.get("type") == "LoadBalancer":
        ingress = at(raw, "status.loadBalancer.ingress", ())
        given = [entry.get("ip") or entry.get("hostname") for entry in ingress] + given
        return ",".join(given) or "<pending>"
    return ",".join(given) or "<none>"


def service_ports(raw: Raw) -> str:
    ports = at(raw, "spec.ports", ())
    node_port = (f":{port['nodePort']}" if port.get("nodePort") else "" for port in ports)
    shown = (f"{p['port']}{node}/{p.get('protocol', 'TCP')}" for p, node in zip(ports, node_port, strict=True))
    return ",".join(shown) or "<none>"


def first(items: list[str], most: int = 3) -> str:
    """The first few of a long list, and how many more there are."""
    rest = f" + {len(items) - most} more..." if len(items) > most else ""
    return (",".join(items[:most]) + rest) or "<none>"


def endpoints(raw: Raw) -> str:
    found: list[str] = []
    for subset in raw.get("subsets") or ():
        addresses = [address["ip"] for address in subset.get("addresses") or ()]
        ports = [port["port"] for port in subset.get("ports") or ()]
        found += [f"{a}:{p}" for p in ports for a in addresses] if ports else addresses
    return first(found)


def slice_ports(raw: Raw) -> str:
    return first([str(port.get("port", "*")) for port in raw.get("ports") or ()]).replace("<none>", "<unset>")


def slice_endpoints(raw: Raw) -> str:
    return first([address for endpoint in raw.get("endpoints") or () for address in endpoint.get("addresses") or ()])


def hosts(raw: Raw) -> str:
    return first([rule["host"] for rule in at(raw, "spec.rules", ()) if rule.get("host")]).replace("<none>", "*")


def ingress_address(raw: Raw) -> str:
    ingress = at(raw, "status.loadBalancer.ingress", ())
    return ",".join(entry.get("ip") or entry.get("hostname") or "" for entry in ingress)


def claim_modes(path: str) -> Callable[[Raw], Cell]:
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
    return lambda raw: ",".join(short.get(mode, mode) for mode in at(raw, path, ()))


def role(raw: Raw) -> str:
    return f"{at(raw, 'roleRef.kind', '')}/{at(raw, 'roleRef.name', '')}"


def subjects(kind: str) -> Callable[[Raw], Cell]:
    """The subjects of a binding that are of one kind; an account with its namespace."""

    def read(raw: Raw) -> str:
        found = [each for each in raw.get("subjects") or () if each.get("kind") == kind]
        account = kind == "ServiceAccount"
        return ", ".join(f"{each.get('namespace', '')}/{each['name']}" if account else each["name"] for each in found)

    return read


def reference(raw: Raw) -> str:
    return f"{at(raw, 'spec.scaleTargetRef.kind', '')}/{at(raw, 'spec.scaleTargetRef.name', '')}"


def targets(raw: Raw) -> str:
    """What an autoscaler measures, which is nothing here, against what it aims at."""
    shown = []
    for metric in at(raw, "spec.metrics", ()):
        what = metric.get((metric.get("type") or "")[:1].lower() + (metric.get("type") or "")[1:]) or {}
        goal = what.get("target") or {}
        name = what.get("name") or at(what, "metric.name", "")
        share = goal.get("averageUtilization")
        aim = goal.get("averageValue") or goal.get("value") or "" if share is None else f"{share}%"
        shown.append(f"{name}: <unknown>/{aim}")
    return ", ".join(shown) or "<none>"


def quota_uses(*, limits: bool) -> Callable[[Raw], Cell]:
    """What is used of what a quota allows: of limits, or of all else."""

    def read(raw: Raw) -> str:
        hard, used = at(raw, "status.hard", {}), at(raw, "status.used", {})
        names = [name for name in sorted(hard) if name.startswith("limits") == limits]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return read


def last_seen(raw: Raw) -> str:
    """When an event was told last."""
    return str(raw.get("lastTimestamp") or raw.get("eventTime") or at(raw, "metadata.creationTimestamp", ""))


def event_object(raw: Raw) -> str:
    involved = raw.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def job_status(raw: Raw) -> str:
    conditions = {c.get("type") for c in at(raw, "status.conditions", ()) if c.get("status") == "True"}
    ended = next((name for name in ("Complete", "Failed") if name in conditions), "")
    if not ended and at(raw, "metadata.deletionTimestamp"):
        return "Terminating"
    waits = next((name for name in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if name in conditions), "")
    return ended or waits or "Running"


def completions(raw: Raw) -> str:
    """Of a Job without a number of completions, one success is enough: `0/1 of 3`."""
    done, wanted = at(raw, "status.succeeded", 0), at(raw, "spec.completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = at(raw, "spec.parallelism", 0)
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def event_source(raw: Raw) -> str:
    source = [at(raw, "source.component") or raw.get("reportingComponent") or "", at(raw, "source.host", "")]
    return ", ".join(part for part in source if part)


def first_seen(raw: Raw) -> str:
    return str(raw.get("firstTimestamp") or raw.get("eventTime") or at(raw, "metadata.creationTimestamp", ""))


def nodes_of_cluster(raw: Raw) -> Cell:
    """The number of nodes: in the status once the lab has planned it, in the description before that."""
    switches = at(raw, "status.switches")
    if switches is not None:
        return sum(1 for switch in switches if switch.get("node"))
    nodes = at(raw, "spec.nodes", 0)
    return len(nodes) if isinstance(nodes, list) else nodes
