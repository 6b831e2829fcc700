"""What the agent tells people of containers, by how their state changed. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from topo.agent.status import ContainerState, Running, Terminated, Waiting

NORMAL, WARNING = "Normal", "Warning"
Words = tuple[str, str, str]  # type, reason, message


def words_of(container: str, before: ContainerState, after: ContainerState) -> Iterator[Words]:
    """What is worth telling of a change."""
    if before.state == after.state:
        return
    state = after.state
    if isinstance(state, Running):
        yield NORMAL, "Started", f"Started container {container}"
    elif isinstance(state, Waiting) and state.reason == "CrashLoopBackOff":
        yield WARNING, "BackOff", f"Back-off restarting failed container {container}"
    elif isinstance(state, Terminated) and state.reason == "StartError":
        yield WARNING, "Failed", f"Error: {state.message}"


def unhealthy(probe: str, container: str) -> Words:
    return WARNING, "Unhealthy", f"{probe.capitalize()} probe failed; container {container} will be restarted"


def hook_failed(hook: str, container: str) -> Words:
    return WARNING, f"Failed{hook}Hook", f"{hook} hook of container {container} failed"


def killing(container: str) -> Words:
    return NORMAL, "Killing", f"Stopping container {container}"


def renewing(container: str) -> Words:
    return NORMAL, "Killing", f"Container {container} definition changed, will be restarted"
