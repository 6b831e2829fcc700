"""What a container must see, and be told, to run the Python that runs podwire."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import k8sshim

_SEARCH = "PYTHONPATH"


def folders() -> tuple[str, ...]:
    """The interpreter, the libraries, and the one package of podwire's that runs in containers."""
    package = Path(k8sshim.__file__).parent
    told = [one for one in os.environ.get(_SEARCH, "").split(os.pathsep) if one and Path(one).is_dir()]
    libraries = [one for one in told if Path(one).resolve() != package.parent.resolve()]
    return tuple(dict.fromkeys((sys.prefix, sys.base_prefix, *libraries, str(package))))


def environment() -> dict[str, str]:
    """What a fresh environment must hold for it to find its modules."""
    return {_SEARCH: os.environ[_SEARCH]} if os.environ.get(_SEARCH) else {}
