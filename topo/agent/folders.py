"""Where the agent keeps what belongs to a pod or a node, beneath the lab's folder in the sandbox."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


def etc(run: Path, place: str) -> Path:
    """The files that `place` (pod-UID, node-NAME or outside) has as its own in /etc: hostname, hosts, resolv.conf."""
    return run / "etc" / place


@dataclass(frozen=True)
class PodFolders:
    """The folders of one pod."""

    run: Path
    node: str
    uid: str

    @property
    def own(self) -> Path:
        """Exists from before the pod's network is made until after it is gone."""
        return self.run / "pods" / self.node / self.uid

    @property
    def volumes(self) -> Path:
        """The pod's emptyDir volumes."""
        return self.own / "volumes"

    @property
    def etc(self) -> Path:
        """See `folders.etc`."""
        return etc(self.run, f"pod-{self.uid}")

    @property
    def account(self) -> Path:
        """The pod's ServiceAccount volume."""
        return self.etc / "serviceaccount"

    def remove(self) -> None:
        """Remove all of it, and the logs of the pod's containers; `own` goes last, for it tells of the rest."""
        for folder in (self.etc, *(self.run / "logs").glob(f"*_{self.uid}"), self.own):
            shutil.rmtree(folder, ignore_errors=True)


def write_tree(folder: Path, texts: Mapping[str, str]) -> None:
    """Have a folder hold files of these paths and texts, and no others."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.new")
        fresh.write_text(text)
        fresh.replace(file)
    for old in [each for each in folder.rglob("*") if each.is_file()]:
        if str(old.relative_to(folder)) not in texts:
            old.unlink()


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files of these names and texts; whoever reads one meanwhile gets the old text or the new."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        fresh = folder / f".{name}"
        fresh.write_text(text)
        fresh.replace(folder / name)
