"""Runs one command as root in the micro-VM and hands its output and exit code on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from k8sshim.errors import BadInput, PodwireError
from lab.inside import environment
from lab.microvm.image import Image

EXIT_LINE = re.compile(rb"^PODWIRE-EXIT (\d+)\s*(.*)$")
KERNEL_LINE = re.compile(rb"^\[ *\d+\.\d+\] ")
KEPT_VARIABLES = ("LANG", "TERM", "PODWIRE_HOME")


def qemu_argv(image: Image, command: Path, *, memory_mib: int, cores: int) -> list[str]:
    """The emulator's command line.

    tcg is named outright, since a /dev/kvm that cannot run a stock kernel exists on some hosts; `-erms` because
    emulated `rep movsb` is slow: without the flag the guest copies by words, and TCP is three times faster.
    """
    argv = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max,-erms"]
    argv += ["-smp", str(cores), "-m", str(memory_mib), "-M", "pc", "-nodefaults", "-display", "none"]
    argv += ["-serial", "stdio", "-no-reboot", "-kernel", str(image.kernel), "-initrd", str(image.initramfs)]
    argv += ["-append", f"console=ttyS0 panic=-1 quiet mitigations=off podwire.folder={image.folder}"]
    for tag, path, access in (("hostroot", Path("/"), "on"), ("command", command, "on"), ("here", Path.cwd(), "off")):
        argv += ["-fsdev", f"local,id={tag},path={_word(path)},security_model=none,readonly={access},multidevs=remap"]
        argv += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    return [*argv, "-device", "virtio-rng-pci"]


def _word(path: Path) -> str:
    """A path among QEMU's options, which commas part."""
    return str(path).replace(",", ",,")


def run(image: Image, command: Sequence[str], *, timeout_s: float, memory_mib: int = 3072, cores: int = 2) -> int:
    """Run `command` in the guest, in the current folder, which is the host's own there; return its exit code.

    Raises: BadInput where the current folder is the root; PodwireError where the guest did not boot, or did not end
    within `timeout_s`.
    """
    if Path.cwd() == Path("/"):
        raise BadInput.of(
            "what runs in the micro-VM may change the current folder, and that is /: run it from a folder of yours"
        )
    with tempfile.TemporaryDirectory(prefix="podwire-vm-") as folder:
        _write_command(Path(folder), command)
        argv = qemu_argv(image, Path(folder), memory_mib=memory_mib, cores=cores)
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as guest:
            watchdog = threading.Timer(timeout_s, guest.kill)
            watchdog.start()
            try:
                code = _hand_on(guest)
            finally:
                watchdog.cancel()
                guest.terminate()
    if code is None:
        raise PodwireError(f"the micro-VM ended without an exit code of the command (time limit {timeout_s:g} s)")
    return code


def _write_command(folder: Path, command: Sequence[str]) -> None:
    programs = os.pathsep.join([str(Path(sys.executable).parent), environment()["PATH"]])
    kept = [f"PATH={programs}", *(f"{name}={os.environ[name]}" for name in KEPT_VARIABLES if name in os.environ)]
    (folder / "argv").write_bytes(b"".join(os.fsencode(word) + b"\0" for word in command))
    (folder / "environment").write_bytes(b"".join(os.fsencode(word) + b"\0" for word in kept))
    (folder / "folder").write_bytes(os.fsencode(Path.cwd()))


def _hand_on(guest: subprocess.Popen[bytes]) -> int | None:
    """Copy the guest's console to stdout without the kernel's own lines; return the exit code it told, if any."""
    code = None
    assert guest.stdout is not None
    for line in guest.stdout:
        text = line.rstrip(b"\r\n")
        if told := EXIT_LINE.match(text):
            code = int(told[1])
            if told[2]:
                sys.stderr.write(f"podwire: micro-VM: {told[2].decode(errors='replace')}\n")
        elif not KERNEL_LINE.match(text):
            sys.stdout.buffer.write(text + b"\n")
            sys.stdout.flush()
    return code
