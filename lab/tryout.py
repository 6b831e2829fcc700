"""Tries whether Open vSwitch's userspace datapath works: a bridge, in the sandbox that this runs in."""

from __future__ import annotations

from pathlib import Path

from topo.ovs import Switchd


def main() -> None:
    """Make a bridge and end. Raises PodwireError where that fails."""
    switchd = Switchd.start(Path("/run/tryout"), datapath="userspace")
    switchd.vsctl("add-br", "probe", "--", "set", "bridge", "probe", "datapath_type=netdev")


if __name__ == "__main__":
    main()
