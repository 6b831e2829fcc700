"""Makes room for mounts in folders that boxes have from the host: those are read-only, and nothing can be made there.

The deepest folder on the way that exists is made anew, from binds of all that is in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from topo.agent.bubblewrap import Host

Remade = tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]  # folder, names in it, links in it with their targets


def remade(host: Host, targets: Iterable[str]) -> tuple[Remade, ...]:
    """The folders to make anew so that each target can be mounted on."""
    folders = {folder for target in targets if (folder := _to_remake(host, target))}
    outermost = [one for one in folders if not any(one.startswith(f"{other}/") for other in folders)]
    return tuple(_look(folder) for folder in sorted(outermost))


def _to_remake(host: Host, target: str) -> str:
    """The deepest folder on the way to a target that is the host's; "" where the target is there, or can be made."""
    if not host.shows(target) or Path(target).exists():
        return ""
    folder = next(parent for parent in Path(target).parents if parent.is_dir())
    return "" if folder == Path("/") else str(folder)


def _look(folder: str) -> Remade:
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    links = tuple((entry.name, str(Path(entry.path).readlink())) for entry in entries if entry.is_symlink())
    return folder, tuple(entry.name for entry in entries if not entry.is_symlink()), links
