"""Builds the micro-VM's kernel and initramfs once, from the distribution's packages, into the user's cache folder."""

from __future__ import annotations

import lzma
import os
import shutil
import struct
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from k8sshim.errors import BadInput, PodwireError

PROGRAMS = {  # what building and running take -> distribution package
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "modprobe": "kmod",
    "xz": "xz-utils",
    "cpio": "cpio",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}
KERNEL_METAPACKAGES = ("linux-image-amd64", "linux-image-generic")  # Debian, Ubuntu
BOOT_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_rng")
GUEST = Path(__file__).parent / "guest"


@dataclass(frozen=True)
class Image:
    """What QEMU boots: `kernel` (vmlinux where it could be unpacked, which saves 3 s a boot) and `initramfs`."""

    folder: Path
    kernel: Path
    initramfs: Path


def cache_folder() -> Path:
    """Where images are kept: `$XDG_CACHE_HOME/podwire/microvm`, else under `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "podwire" / "microvm"


def missing_programs() -> list[str]:
    """The distribution packages that have to be installed first."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)})


def build(parent: Path | None = None) -> Image:
    """Return the image, building it where the distribution's current kernel has none yet.

    Raises: BadInput where packages are missing or no kernel can be had; PodwireError where a step fails.
    """
    if missing := missing_programs():
        raise BadInput.of(f"the micro-VM needs packages that are not installed: apt-get install {' '.join(missing)}")
    packages = _kernel_packages()
    folder = (parent or cache_folder()) / packages[0]
    image = Image(folder, folder / "kernel.elf", folder / "initramfs.cpio")
    if not image.initramfs.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as building:
            _build_into(Path(building), packages)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.move(building, folder)
            Path(building).mkdir()  # for TemporaryDirectory to remove
    for name in ("init", "stage2"):
        shutil.copy(GUEST / name, folder / name)
    return image


def _build_into(folder: Path, packages: list[str]) -> None:
    for package in packages:
        _run(["apt-get", "download", "-qq", package], cwd=folder)
    for archive in sorted(folder.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(archive), str(folder / "kernel")])
        archive.unlink()
    tree = folder / "kernel"
    if not (tree / "lib").exists():
        (tree / "lib").symlink_to("usr/lib")
    release = next((tree / "lib" / "modules").iterdir()).name
    _run(["depmod", "-b", str(tree), release])
    packed = next((tree / "boot").glob("vmlinuz-*")).read_bytes()
    (folder / "kernel.elf").write_bytes(unpacked_kernel(packed))
    _initramfs(folder, tree, release)


def _kernel_packages() -> list[str]:
    """The packages that hold the current kernel and its modules, found through the distribution's metapackage."""
    for metapackage in KERNEL_METAPACKAGES:
        listing = subprocess.run(["apt-cache", "depends", metapackage], capture_output=True, text=True, check=False)
        depends = [line.split(":", 1)[1].strip() for line in listing.stdout.splitlines() if "Depends:" in line]
        if images := [name for name in depends if name.startswith("linux-image-")]:
            modules = images[0].replace("linux-image-", "linux-modules-")
            known = subprocess.run(["apt-cache", "show", modules], capture_output=True, check=False)
            return [images[0], modules] if known.returncode == 0 else [images[0]]
    raise BadInput.of(f"no kernel package is known here (tried {', '.join(KERNEL_METAPACKAGES)}): run apt-get update")


def unpacked_kernel(packed: bytes) -> bytes:
    """The ELF kernel inside a bzImage; the bzImage itself where its compression is not one that Python reads.

    Source: the x86 boot protocol, setup sectors at 0x1f1, payload offset and length at 0x248.
    """
    protected_mode = ((packed[0x1F1] or 4) + 1) * 512
    offset, length = struct.unpack_from("<II", packed, 0x248)
    payload = packed[protected_mode + offset : protected_mode + offset + length]
    if payload[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(payload)
    if payload[:2] == b"\x1f\x8b":
        return zlib.decompressobj(31).decompress(payload)
    return packed


def _initramfs(folder: Path, tree: Path, release: str) -> None:
    root = folder / "initramfs"
    (root / "bin").mkdir(parents=True)
    (root / "modules").mkdir()
    shutil.copy(_which("busybox"), root / "bin" / "busybox")
    shutil.copy(GUEST / "init", root / "init")
    (root / "init").chmod(0o755)
    order = [_unpack_module(module, root / "modules") for module in _boot_modules(tree, release)]
    (root / "modules" / "order").write_text("\n".join(order) + "\n")
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), cwd=root, capture_output=True, check=True
    )
    (folder / "initramfs.cpio").write_bytes(archive.stdout)
    shutil.rmtree(root)


def _boot_modules(tree: Path, release: str) -> list[Path]:
    """The module files to insert, in order, each once."""
    files: dict[str, None] = {}
    for module in BOOT_MODULES:
        lines = _run(["modprobe", "-d", str(tree), "-S", release, "--show-depends", module]).splitlines()
        files.update({line.split()[1]: None for line in lines if line.startswith("insmod ")})
    return [Path(file) for file in files]


def _unpack_module(file: Path, target: Path) -> str:
    unpackers = {".xz": ["xz", "-dc"], ".zst": ["zstd", "-dc"], ".gz": ["gzip", "-dc"]}
    name = file.stem if file.suffix in unpackers else file.name
    unpacker = unpackers.get(file.suffix, ["cat"])
    with (target / name).open("wb") as out:
        subprocess.run([*unpacker, str(file)], stdout=out, check=True)
    return name


def _which(program: str) -> str:
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])) or program


def _run(argv: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run([_which(argv[0]), *argv[1:]], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PodwireError(f"building the micro-VM: {argv[0]} failed: {done.stderr.strip().splitlines()[-1:] or ''}")
    return done.stdout
