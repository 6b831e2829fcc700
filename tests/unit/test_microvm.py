"""The micro-VM's kernel comes out of any bzImage, and its command line reaches the guest word by word."""

import gzip
import lzma
import os
import struct
from pathlib import Path

import pytest

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
