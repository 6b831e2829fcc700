"""The command line that puts a container's command into its box. Pure.

The box is bubblewrap's: the host's root read-only, fresh tmpfs over what a container may write, a PID namespace of
its own, a container's default capabilities, and no way to more. Nothing is changed on the host from in there: what
root could write without any capability (/proc/sys and its like, device nodes' modes) is read-only too.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from topo.agent.workload import StartError

# What Docker and containerd give a container that asks for nothing.
DEFAULT_CAPABILITIES = (
    "chown", "dac_override", "fsetid", "fowner", "mknod", "net_raw", "setgid", "setuid", "setfcap", "setpcap",
    "net_bind_service", "sys_chroot", "kill", "audit_write",
)  # fmt: skip
# Top-level folders that a container finds empty and may write (its own tmpfs), or does not find at all.
WRITABLE = ("home", "root", "run", "var")
ABSENT = ("boot", "dev", "lost+found", "media", "mnt", "proc", "srv", "tmp")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")


@dataclass(frozen=True)
class Host:
    """What of this host a box is built from; paths are absolute and hold no symbolic link."""

    folders: tuple[str, ...]  # names of top-level folders
    links: tuple[tuple[str, str], ...]  # top-level symbolic links and their targets
    var_folders: tuple[str, ...]  # folders beneath /var that programs expect: made anew, empty
    proc_entries: tuple[str, ...]  # names in /proc that must be read-only
    hidden: tuple[str, ...]  # folders whose content no container may see
    masked: tuple[str, ...]  # files that read as empty
    devices: str  # a folder with the device nodes of DEVICES, read-only
    nsenter: str
    bwrap: str
    setpriv: str
    own_files: tuple[tuple[str, str], ...] = ()  # names in /etc of which every pod has its own, and where each is bound
    etc: tuple[str, ...] = ()  # the names in /etc, where it must be made anew because one of those is not there
    shown: tuple[str, ...] = ()  # folders that boxes have read-only wherever they lie; also by ways with links in them

    def shows(self, path: str) -> bool:
        """Whether a box shows the host's file at this (resolved) path."""
        if not self._is_there(path) and not any(_beneath(path, folder) for folder in self.shown):
            return False
        return not any(_beneath(path, folder) for folder in self.hidden)

    def _is_there(self, path: str) -> bool:
        """Whether it lies in a top-level folder that boxes have as it is."""
        top = path.split("/")[1]
        return top in self.folders and top not in (*WRITABLE, *ABSENT)

    @property
    def brought(self) -> tuple[str, ...]:
        """Of `shown`, what boxes would not have anyway."""
        linked = [f"/{name}" for name, _ in self.links]
        beneath_link = [one for one in self.shown if any(_beneath(one, link) for link in linked)]
        return tuple(one for one in self.shown if not self._is_there(one) and one not in beneath_link)


@dataclass(frozen=True)
class Box:
    """One container's command, and what it is given."""

    network: Path  # of the network namespace
    hostname: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    working_dir: str = ""
    scratch: tuple[tuple[str, str], ...] = ()  # folders of the pod and where they are mounted, writable
    remade: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]], ...] = ()  # folder, names, links in it
    stdin: bool = False  # its standard input can be written to
    files: tuple[tuple[str, str], ...] = ()  # the pod's own files and folders, read-only, and where they are mounted


def box_argv(host: Host, box: Box, status_fd: int | None) -> list[str]:
    """The whole command line. bubblewrap writes the command's PID as JSON to `status_fd`, where there is one.

    Raises StartError for a mount path that no box can have.
    """
    options = [*_root(host), *_remade(box), *_proc_and_dev(host), *_mounts(host, box), *_working_dir(host, box)]
    environment = [part for name, value in box.environment.items() for part in ("--setenv", name, value)]
    return [
        *(host.nsenter, f"--net={box.network}", "--", host.bwrap),
        *options,
        *_NAMESPACES,
        *("--hostname", box.hostname, "--as-pid-1", "--new-session", "--die-with-parent"),
        *(("--json-status-fd", str(status_fd)) if status_fd is not None else ()),
        *("--cap-drop", "ALL"),
        *(part for name in DEFAULT_CAPABILITIES for part in ("--cap-add", f"CAP_{name.upper()}")),
        *("--clearenv", *environment, "--"),
        *restrict_argv(host),
        *box.argv,
    ]


def exec_argv(host: Host, pid: int, argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` beside the command whose PID (in the agent's namespace) is `pid`."""
    kinds = ("--mount", "--uts", "--ipc", "--pid", "--net", "--cgroup")
    return [host.nsenter, f"--target={pid}", *kinds, "--", *restrict_argv(host, no_new_privileges=True), *argv]


def restrict_argv(host: Host, *, no_new_privileges: bool = False) -> list[str]:
    """setpriv with a container's capabilities: bubblewrap leaves the bounding set wider than a container's."""
    bounding = ",".join(["-all", *(f"+{name}" for name in DEFAULT_CAPABILITIES)])
    no_new = ["--no-new-privs"] if no_new_privileges else []
    return [host.setpriv, *no_new, "--inh-caps=-all", "--ambient-caps=-all", f"--bounding-set={bounding}", "--"]


def _root(host: Host) -> list[str]:
    options: list[str] = []
    for name in host.folders:
        if name == "etc" and host.etc:
            options += ["--tmpfs", "/etc", *(part for one in host.etc for part in ("--ro-bind", one, one))]
        elif name not in (*WRITABLE, *ABSENT):
            options += ["--ro-bind", f"/{name}", f"/{name}"]
    for name, target in host.links:
        options += ["--symlink", target, f"/{name}"]
    for name in WRITABLE:
        options += ["--perms", "0700" if name == "root" else "0755", "--tmpfs", f"/{name}"]
    for option, folder in (("--tmpfs", "/tmp"), ("--dir", "/var/tmp")):  # noqa: S108 - the box's own
        options += ["--perms", "1777", option, folder]
    for folder in host.var_folders:
        options += ["--dir", folder]
    options += ["--symlink", "../run", "/var/run"]
    for folder in host.brought:
        options += ["--ro-bind", folder, folder]
    for folder in sorted(host.hidden):
        in_view = folder.split("/")[1] not in (*WRITABLE, *ABSENT)  # nothing else of the host's is in those
        if in_view or any(_beneath(folder, shown) for shown in host.brought):
            options += ["--tmpfs", folder]
    return options


def _remade(box: Box) -> list[str]:
    """Folders of the host made anew, so that there is room for mounts in them."""
    options: list[str] = []
    for folder, names, links in box.remade:
        options += ["--tmpfs", folder]
        options += [part for name in names for part in ("--ro-bind", f"{folder}/{name}", f"{folder}/{name}")]
        options += [part for name, target in links for part in ("--symlink", target, f"{folder}/{name}")]
    return options


def _proc_and_dev(host: Host) -> list[str]:
    options = ["--proc", "/proc"]
    for name in host.proc_entries:
        options += ["--ro-bind", f"/proc/{name}", f"/proc/{name}"]
    options += ["--dev", "/dev"]
    for name in DEVICES:  # over bubblewrap's own: a writable mount would let root change the mode of the host's nodes
        options += ["--dev-bind", f"{host.devices}/{name}", f"/dev/{name}"]
    for path in host.masked:
        options += ["--dev-bind", f"{host.devices}/null", path]
    return options


def _mounts(host: Host, box: Box) -> list[str]:
    options: list[str] = []
    for source, target in box.files:
        options += ["--ro-bind", source, mount_path(target)]
    targets = [mount_path(path) for _, path in box.scratch]
    for (source, _), target in zip(box.scratch, targets, strict=True):
        if any(_beneath(target, other) for other in targets if other is not target):
            raise StartError(f"mount path {target} lies beneath another volume's")
        options += ["--bind", source, target]
    return options


def mount_path(path: str) -> str:
    """The path with nothing left to resolve: bubblewrap would follow `..` out of the box while it builds it."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    if clean == "/" or clean.split("/")[1] in ("proc", "dev", "sys"):
        raise StartError(f"mount path {path} cannot be a volume's")
    return clean


def _working_dir(host: Host, box: Box) -> list[str]:
    if not box.working_dir:
        return ["--chdir", "/"]
    clean = posixpath.normpath("/" + box.working_dir.lstrip("/"))
    top = clean.split("/")[1]
    made_anew = top in WRITABLE or top == "tmp" or top not in (*host.folders, *ABSENT, *dict(host.links))
    in_scratch = any(_beneath(clean, mount_path(path)) for _, path in box.scratch)
    if made_anew and not in_scratch:
        return ["--dir", clean, "--chdir", clean]
    return ["--chdir", clean if in_scratch or host.shows(clean) else "/"]


def _beneath(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
