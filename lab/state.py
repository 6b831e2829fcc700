"""Labs on disk: a folder each, and who may have it.

A lab's supervisor holds a lock on its folder for as long as it lives, and `podwire up` holds the same lock before there
is a supervisor. The kernel lets go of it when both are gone, after `kill -9` too; so whether a lab lives never hangs on
a process id that another process may have by now, and of two that want one name, one wins. A folder that nobody holds
is dead, and whoever comes by tidies it away.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from k8sshim import names
from k8sshim.errors import BadInput, NotFound
from lab.waiting import wait_until

STARTING, RUNNING = "starting", "running"
_LOCK, _FACTS = "lock", "lab.json"
CALIBRATIONS = "PODWIRE_CALIBRATIONS"  # the variable by which the micro-VM is told of their folder
_TIDYING_S = 0.3  # who tidies a dead lab's folder holds it for a moment


@dataclass(frozen=True)
class Lab:
    """A lab that lives."""

    name: str
    folder: Path
    pid: int  # the supervisor's as this machine sees it; 0 while there is none
    started: str  # UTC, ISO 8601
    nodes: tuple[str, ...]
    state: str  # STARTING or RUNNING

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def log(self) -> Path:
        return self.folder / "log"


@dataclass(frozen=True)
class Claim:
    """A lab's folder, held by the lock whose open file is `descriptor`."""

    name: str
    folder: Path
    descriptor: int

    def release(self) -> None:
        """Let go of the folder; the lab lives on if its supervisor holds it too."""
        os.close(self.descriptor)


def home() -> Path:
    """Where labs' folders are: $PODWIRE_HOME, else podwire's folder in $XDG_STATE_HOME or ~/.local/state."""
    if own := os.environ.get("PODWIRE_HOME"):
        return Path(own).absolute()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "podwire"


def calibrations() -> Path:
    """Where it is kept what calibrations found, of this machine and of its micro-VM, which is given this folder."""
    given = os.environ.get(CALIBRATIONS)
    return Path(given) if given else home() / "calibrations"


def labs() -> list[Lab]:
    """Every lab that lives, by name; the folders of dead ones are removed on the way. Raises BadInput."""
    try:
        return sorted((lab for folder in _folders() if (lab := _look(folder))), key=lambda lab: lab.name)
    except OSError as error:
        raise _unusable(error) from error


def find(name: str) -> Lab:
    """The living lab of that name. Raises NotFound, which says what there is."""
    alive = labs()
    for lab in alive:
        if lab.name == name:
            return lab
    running = ", ".join(lab.name for lab in alive) or "none"
    raise NotFound.of(f'lab "{name}" not found; running: {running}')


def claim(name: str) -> Claim:
    """Take the name for a new lab, with an empty folder. Raises BadInput where it is in use or no name for a lab."""
    if wrong := names.no_dns_label(name):
        raise BadInput.of(f"lab name {wrong}")
    taken: list[Claim] = []

    def attempt() -> bool:
        if found := _claim(_labs() / name):
            taken.append(found)
        return bool(taken)

    if not wait_until(attempt, _TIDYING_S):
        raise BadInput.of(f'cluster name "{name}" is in use; take another with --name, or: podwire down {name}')
    return taken[0]


def alive(folder: Path) -> bool:
    """Whether somebody holds the folder."""
    try:
        descriptor = _lock(folder)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def write(lab: Lab) -> None:
    """Write what others may know of the lab, at once or not at all."""
    facts = {key: value for key, value in asdict(lab).items() if key != "folder"}
    fresh = lab.folder / f"{_FACTS}.new"
    fresh.write_text(json.dumps(facts, indent=2) + "\n")
    fresh.replace(lab.folder / _FACTS)


def remove(folder: Path) -> bool:
    """Remove a dead lab's folder, where it is still there; False where somebody holds it."""
    try:
        descriptor = _lock(folder)
    except (FileNotFoundError, NotADirectoryError):
        return True
    if descriptor is None:
        return False
    if _holds(folder, descriptor):  # moved away first, so that a new lab of this name never shares a folder with it
        grave = folder.with_name(f".{folder.name}.{os.getpid()}")
        folder.rename(grave)
        shutil.rmtree(grave, ignore_errors=True)
    os.close(descriptor)
    return True


def _labs() -> Path:
    return home() / "labs"


def _folders() -> Iterator[Path]:
    if _labs().is_dir():
        yield from (folder for folder in _labs().iterdir() if not folder.name.startswith("."))


def _look(folder: Path) -> Lab | None:
    if remove(folder):
        return None
    try:
        facts = json.loads((folder / _FACTS).read_text())
        if type(facts["pid"]) is not int or facts["pid"] < 0:  # signals are sent there: -1 would be every process
            raise ValueError("no process id")
        return Lab(folder.name, folder, facts["pid"], facts["started"], tuple(facts["nodes"]), facts["state"])
    except (OSError, ValueError, KeyError, TypeError):  # held, and nothing written yet; or somebody wrote there
        return Lab(folder.name, folder, 0, "", (), STARTING)


def _claim(folder: Path) -> Claim | None:
    """One attempt: None where another has the folder, or tidied it away just now."""
    try:
        home().mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(error) from error
    try:
        for made in (_labs(), folder):
            made.mkdir(mode=0o700, exist_ok=True)
        descriptor = _lock(folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        if isinstance(error, FileExistsError) and not any(one.is_file() for one in (_labs(), folder)):
            return None  # tidied away just when `mkdir` looked whether it is a folder
        raise _unusable(error) from error
    if descriptor is None:
        return None
    if not _holds(folder, descriptor):
        os.close(descriptor)
        return None
    _empty(folder)
    return Claim(folder.name, folder, descriptor)


def _unusable(error: OSError) -> BadInput:
    return BadInput.of(f"cannot use {error.filename}: {error.strerror}; PODWIRE_HOME may name another folder")


def _lock(folder: Path) -> int | None:
    """An open file that holds the folder's lock; None where another has it. Raises OSError where there is no folder."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _holds(folder: Path, descriptor: int) -> bool:
    """Whether the locked file is still the one in the folder."""
    try:
        return (folder / _LOCK).stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()
