"""The micro-VM's kernel comes out of any bzImage, and its command line reaches the guest word by word."""

import gzip
import lzma
import os
import struct
from pathlib import Path

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


def test_the_console_gives_output_and_exit_code_without_the_kernels_lines(capfdbinary):
    read, write = os.pipe()
    os.write(write, b"[    1.0] booting\r\nhello\r\nPODWIRE-EXIT 7\r\n[   11.5] reboot: Power down\r\n")
    os.close(write)

    class Guest:
        stdout = os.fdopen(read, "rb")

    assert machine._hand_on(Guest()) == 7  # type: ignore[arg-type]
    assert capfdbinary.readouterr().out == b"hello\n"


def test_words_of_a_command_are_never_split(tmp_path: Path):
    machine._write_command(tmp_path, ["echo", "a b", "$(id)", ""])
    assert (tmp_path / "argv").read_bytes() == b"echo\0a b\0$(id)\0\0"


def test_the_current_folder_is_written_to_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here = tmp_path / "a,b"
    here.mkdir()
    monkeypatch.chdir(here)
    argv = machine.qemu_argv(image.Image(tmp_path, tmp_path, tmp_path), tmp_path, memory_mib=1, cores=1)
    shares = [word for word in argv if word.startswith("local,")]
    assert [share for share in shares if "readonly=on" not in share] == [
        f"local,id=here,path={tmp_path}/a,,b,security_model=none,readonly=off,multidevs=remap"
    ]


def test_the_root_is_no_folder_to_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir("/")
    with pytest.raises(BadInput, match="run it from a folder of yours"):
        machine.run(image.Image(tmp_path, tmp_path, tmp_path), ["true"], timeout_s=1)
