"""The micro-VM's kernel comes out of any bzImage, and its command line reaches the guest word by word."""

import gzip
import io
import lzma
import os
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from k8sshim.errors import BadInput
from lab.microvm import image, machine

pytestmark = pytest.mark.unit


def bzimage(payload: bytes) -> bytes:
    """A kernel file of one setup sector (boot protocol: its count at 0x1f1, payload offset and length at 0x248)."""
    header = bytearray(1024)
    header[0x1F1] = 1
    struct.pack_into("<II", header, 0x248, 0, len(payload))
    return bytes(header) + payload


@pytest.mark.parametrize("compress", [lzma.compress, gzip.compress], ids=["xz", "gzip"])
def test_the_kernel_is_unpacked(compress):
    assert image.unpacked_kernel(bzimage(compress(b"\x7fELF kernel"))) == b"\x7fELF kernel"


def test_a_kernel_of_unknown_compression_boots_as_it_is():
    packed = bzimage(b"zstd, say")
    assert image.unpacked_kernel(packed) == packed


def test_the_console_tells_the_exit_code_and_what_neither_the_kernel_nor_the_command_says(capfdbinary):
    class Guest:
        stdout = io.BytesIO(b"[    1.0] booting\r\nno root\r\nPODWIRE-EXIT 7\r\n[   11.5] reboot: Power down\r\n")

    assert machine._exit_code(Guest()) == 7  # type: ignore[arg-type]
    assert capfdbinary.readouterr() == (b"", b"podwire: micro-VM: no root\n")


def test_what_a_command_says_is_handed_on_as_it_comes(capfdbinary):
    with machine._ports() as ports:
        output, errors = (port.write for port in ports)
        os.write(errors, b"\r50 %")  # no line, and no end yet
        seen = b""
        while not seen:
            seen = capfdbinary.readouterr().err
        os.write(output, b"done\n")
        for end in (output, errors):
            os.close(end)
    assert (seen, capfdbinary.readouterr().out) == (b"\r50 %", b"done\n")


@pytest.mark.parametrize(
    ("output", "errors", "devices", "told"),
    [
        (False, False, ["virtserialport", "virtserialport"], "stdout stderr"),
        (False, True, ["virtserialport", "virtconsole"], "stdout hvc0"),
        (True, True, ["virtconsole", "virtconsole"], "hvc0 hvc1"),
    ],
)
def test_a_command_has_a_terminal_where_the_hosts_own_is_one(
    output: bool, errors: bool, devices: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, terminal in (("stdout", output), ("stderr", errors)):
        stream = SimpleNamespace(buffer=SimpleNamespace(isatty=lambda terminal=terminal: terminal))
        monkeypatch.setattr(sys, name, stream)
    with machine._ports() as ports:
        for port in ports:
            os.close(port.write)
    assert [word.partition(",")[0] for port in ports for word in port.argv if word.startswith("virt")] == devices
    machine._write_command(tmp_path, ["true"], ports)
    assert (tmp_path / "outputs").read_text().rsplit(maxsplit=2)[0] == told


def test_words_of_a_command_are_never_split(tmp_path: Path):
    machine._write_command(tmp_path, ["echo", "a b", "$(id)", ""], ())
    assert (tmp_path / "argv").read_bytes() == b"echo\0a b\0$(id)\0\0"


def test_the_current_folder_is_written_to_and_calibrations_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    here = tmp_path / "a,b"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path / "home"))
    argv = machine.qemu_argv(image.Image(tmp_path, tmp_path, tmp_path), tmp_path, (), memory_mib=1, cores=1)
    shares = [word for word in argv if word.startswith("local,")]
    assert [share for share in shares if "readonly=on" not in share] == [
        f"local,id=here,path={tmp_path}/a,,b,security_model=none,readonly=off,multidevs=remap",
        f"local,id=calibrations,path={tmp_path}/home/calibrations,security_model=none,readonly=off,multidevs=remap",
    ]


def test_the_root_is_no_folder_to_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir("/")
    with pytest.raises(BadInput, match="run it from a folder of yours"):
        machine.run(image.Image(tmp_path, tmp_path, tmp_path), ["true"], timeout_s=1)
