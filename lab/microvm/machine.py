"""Runs one command as root in the micro-VM and hands on its output, its errors and its exit code.

The guest's console carries the kernel's words and the exit code. What the command writes comes by two ports of virtio:
a terminal in the guest where the host's own is one, and bytes as they are where it is none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from k8sshim.errors import BadInput, PodwireError
from lab import state
from lab.inside import environment
from lab.microvm.image import Image

EXIT_LINE = re.compile(rb"^PODWIRE-EXIT (\d+)\s*(.*)$")
KERNEL_LINE = re.compile(rb"^\[ *\d+\.\d+\] ")
KEPT_VARIABLES = ("LANG", "TERM", "PODWIRE_HOME")
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Port:
    """A way out of the guest, by a pipe to whose end QEMU writes."""

    name: str
    console: str  # the terminal that it is in the guest; empty where it is none
    write: int

    @property
    def argv(self) -> list[str]:
        """QEMU's words for it."""
        kind = "virtconsole" if self.console else "virtserialport"
        argv = ["-chardev", f"file,id={self.name},path=/dev/fd/{self.write}"]
        return [*argv, "-device", f"{kind},chardev={self.name},name={self.name}"]


def qemu_argv(image: Image, command: Path, ports: Sequence[Port], *, memory_mib: int, cores: int) -> list[str]:
    """The emulator's command line.

    tcg is named outright, since a /dev/kvm that cannot run a stock kernel exists on some hosts; `-erms` because
    emulated `rep movsb` is slow: without the flag the guest copies by words, and TCP is three times faster. The
    emulator ends with this process, also where that is killed.
    """
    argv = ["setpriv", "--pdeathsig", "KILL", "--"]
    argv += ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max,-erms"]
    argv += ["-smp", str(cores), "-m", str(memory_mib), "-M", "pc", "-nodefaults", "-display", "none"]
    argv += ["-serial", "stdio", "-no-reboot", "-kernel", str(image.kernel), "-initrd", str(image.initramfs)]
    argv += ["-append", f"console=ttyS0 panic=-1 quiet mitigations=off podwire.folder={image.folder}"]
    shared = (("hostroot", Path("/"), "on"), ("command", command, "on"), ("here", Path.cwd(), "off"))
    for tag, path, access in (*shared, ("calibrations", state.calibrations(), "off")):
        argv += ["-fsdev", f"local,id={tag},path={_word(path)},security_model=none,readonly={access},multidevs=remap"]
        argv += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    argv += ["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]
    return [*argv, *(word for port in ports for word in port.argv)]


def _word(path: Path) -> str:
    """A path among QEMU's options, which commas part."""
    return str(path).replace(",", ",,")


def run(image: Image, command: Sequence[str], *, timeout_s: float, memory_mib: int = 3072, cores: int = 2) -> int:
    """Run `command` in the guest, in the current folder, which is the host's own there; return its exit code.

    Raises: BadInput where the current folder is the root; PodwireError where the guest did not boot, or did not end
    within `timeout_s`, or there is no place for calibrations.
    """
    if Path.cwd() == Path("/"):
        raise BadInput.of(
            "what runs in the micro-VM may change the current folder, and that is /: run it from a folder of yours"
        )
    _make(state.calibrations())
    with tempfile.TemporaryDirectory(prefix="podwire-vm-") as folder, _ports() as ports:
        _write_command(Path(folder), command, ports)
        argv = qemu_argv(image, Path(folder), ports, memory_mib=memory_mib, cores=cores)
        written = [port.write for port in ports]
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pass_fds=written) as guest:
            for end in written:
                os.close(end)
            watchdog = threading.Timer(timeout_s, guest.kill)
            watchdog.start()
            try:
                code = _exit_code(guest)
            finally:
                watchdog.cancel()
                guest.terminate()
    if code is None:
        raise PodwireError(f"the micro-VM ended without an exit code of the command (time limit {timeout_s:g} s)")
    return code


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PodwireError(f"{folder}: cannot be made: {error.strerror}") from error


@contextmanager
def _ports() -> Iterator[list[Port]]:
    """Ways to this process's stdout and stderr. Their ends to write to are for the context's body to close."""
    ports, copying = list[Port](), list[threading.Thread]()
    for name, to in (("stdout", sys.stdout.buffer), ("stderr", sys.stderr.buffer)):
        read, write = os.pipe()
        console = f"hvc{sum(bool(port.console) for port in ports)}" if to.isatty() else ""
        ports.append(Port(name, console, write))
        copying.append(threading.Thread(target=_copy, args=(read, to), daemon=True))
        copying[-1].start()
    yield ports
    for thread in copying:
        thread.join()


def _copy(read: int, to: BinaryIO) -> None:
    """Hand on what comes as it comes. Where nobody takes it any more it is thrown away: the command shall end."""
    with os.fdopen(read, "rb", buffering=0) as source:
        while some := source.read(_CHUNK):
            try:
                to.write(some)
                to.flush()
            except OSError:
                continue


def _write_command(folder: Path, command: Sequence[str], ports: Sequence[Port]) -> None:
    programs = os.pathsep.join([str(Path(sys.executable).parent), environment()["PATH"]])
    kept = [f"PATH={programs}", *(f"{name}={os.environ[name]}" for name in KEPT_VARIABLES if name in os.environ)]
    columns, rows = shutil.get_terminal_size()
    kept.append(f"{state.CALIBRATIONS}={state.calibrations()}")
    (folder / "argv").write_bytes(b"".join(os.fsencode(word) + b"\0" for word in command))
    (folder / "environment").write_bytes(b"".join(os.fsencode(word) + b"\0" for word in kept))
    for name, path in (("folder", Path.cwd()), ("calibrations", state.calibrations())):
        (folder / name).write_bytes(os.fsencode(path))
    (folder / "outputs").write_text(f"{' '.join(port.console or port.name for port in ports)} {rows} {columns}\n")


def _exit_code(guest: subprocess.Popen[bytes]) -> int | None:
    """The exit code that the guest's console tells, if any. What is neither that nor the kernel's goes to stderr."""
    code = None
    assert guest.stdout is not None
    for line in guest.stdout:
        text = line.rstrip(b"\r\n")
        if told := EXIT_LINE.match(text):
            code, text = int(told[1]), told[2]
        if text and not KERNEL_LINE.match(text):
            print(f"podwire: micro-VM: {text.decode(errors='replace')}", file=sys.stderr)
    return code
