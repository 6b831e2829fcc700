"""Reads a cluster description from its file."""

from __future__ import annotations

from pathlib import Path

import yaml

from k8sshim.errors import BadInput
from topo import spec
from topo.spec import ClusterSpec

DEFAULT_NAME = "podwire"


def load(path: Path | None) -> ClusterSpec:
    """The cluster that the file at `path` describes, or the default one. Raises BadInput."""
    if path is None:
        return spec.default(DEFAULT_NAME)
    try:
        documents = [one for one in yaml.safe_load_all(path.read_text()) if one is not None]
    except OSError as error:
        raise BadInput.of(f"cannot be read: {error.strerror}", file=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput.of(f"no YAML: {' '.join(str(error).split())}", file=str(path)) from error
    if len(documents) != 1:
        raise BadInput.of(f"must hold one Cluster, not {len(documents)} documents", file=str(path))
    return spec.parse(documents[0], str(path))
