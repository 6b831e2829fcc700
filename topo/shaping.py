"""Shapes links by Mininet's own `TCIntf`: what it does to one end holds for what that end sends."""

from __future__ import annotations

from typing import Any

from mininet.link import TCIntf

from k8sshim.errors import PodwireError

from .link_spec import LinkSpec

MININETS_BURST, BURST_S = "burst 15k", 0.01


class ShapedEnd(TCIntf):  # type: ignore[misc] # Mininet has no types
    """Mininet's, with a burst of 10 ms: what a timer that is late does not let through is lost for good."""

    def bwCmds(self, bw: float | None = None, **options: Any) -> tuple[list[str], str]:  # noqa: N802 (Mininet's name)
        commands, parent = super().bwCmds(bw=bw, **options)
        burst = max(15_000, round((bw or 0) * 1e6 / 8 * BURST_S))
        return [one.replace(MININETS_BURST, f"burst {burst} cburst {burst}") for one in commands], parent


def shape(end: ShapedEnd, like: LinkSpec, *, offload: bool) -> None:
    """Has an end of a link send as the link is described. Raises PodwireError with what `tc` said."""
    result = end.config(**parameters(like), gro=offload, txo=offload)
    lines = [line.strip() for output in (result or {}).get("tcoutputs", ()) for line in output.splitlines()]
    said = " ".join(line for line in lines if not line.startswith("Warning:"))  # of quanta, which matter among classes
    if said:
        raise PodwireError(f"link end {end.name}: tc: {said}")


def parameters(like: LinkSpec) -> dict[str, Any]:
    """What `TCIntf.config` calls the fields of a link."""
    return {
        "bw": like.bandwidth_mbit,
        "delay": f"{like.delay_ms}ms" if like.delay_ms else None,
        "jitter": f"{like.jitter_ms}ms" if like.jitter_ms else None,
        "loss": like.loss_percent,
        "max_queue_size": like.queue_packets,
    }
