"""A container's environment and its expanded command line. Pure.

The rules are Kubernetes' (API reference, `Container.command` and `EnvVar.value`): `$(NAME)` is replaced where NAME is a
variable defined earlier, `$$` is one dollar sign, and what names nothing stays as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from k8sshim.errors import PodwireError
from topo.agent.podspec import ContainerSpec, EnvVar

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_VARIABLE_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")

CONTAINER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Referred = Mapping[tuple[str, str], Mapping[str, str]]  # ("configMap" or "secret", name) -> its data


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` with `$(NAME)` and `$$` replaced."""

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "$"
        return variables.get(name, match.group(0))

    return _REFERENCE.sub(replacement, text)


def references(container: ContainerSpec) -> frozenset[tuple[str, str]]:
    """The ConfigMaps and Secrets (source, name) that must be fetched before `variables` is called."""
    return frozenset(
        (e.source, e.reference) for e in (*container.env_from, *container.env) if e.source in ("configMap", "secret")
    )


def variables(
    container: ContainerSpec,
    fields: Mapping[str, str],
    referred: Referred,
    *,
    hostname: str,
    services: Mapping[str, str],
) -> dict[str, str]:
    """The environment; `fields` answers fieldRef, and what tells of `services` gives way to the container's own.

    Raises PodwireError for a reference that leads nowhere.
    """
    result = {"PATH": CONTAINER_PATH, "HOME": "/root", "HOSTNAME": hostname, **services}
    for entry in container.env_from:
        data = _data(entry, referred)
        result.update(
            {entry.name + key: value for key, value in data.items() if _VARIABLE_NAME.fullmatch(entry.name + key)}
        )
    for entry in container.env:
        value = _value(entry, fields, referred, result)
        if value is not None:
            result[entry.name] = value
    return result


def argv(container: ContainerSpec, environment: Mapping[str, str]) -> list[str]:
    """The expanded command line of a container that has a command."""
    return [expand(word, environment) for word in (*container.command, *container.args)]


def _value(entry: EnvVar, fields: Mapping[str, str], referred: Referred, defined: Mapping[str, str]) -> str | None:
    if entry.source == "":
        return expand(entry.value, defined)
    if entry.source == "field":
        return fields.get(entry.reference, "")
    if entry.source == "other":  # resourceFieldRef: there are no resource limits here
        return None
    data = _data(entry, referred)
    if entry.key not in data and not entry.optional:
        raise PodwireError(f"env {entry.name}: {entry.source} {entry.reference} has no key {entry.key}")
    return data.get(entry.key)


def _data(entry: EnvVar, referred: Referred) -> Mapping[str, str]:
    data = referred.get((entry.source, entry.reference))
    if data is None and not entry.optional:
        raise PodwireError(f"{entry.source} {entry.reference} not found")
    return data or {}
