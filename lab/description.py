"""Reads a cluster description from its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from k8sshim.errors import BadInput
from k8sshim.manifests import yaml_text
from topo import spec
from topo.spec import ClusterSpec

DEFAULT_NAME = "podwire"


def load(path: Path | None) -> ClusterSpec:
    """The cluster that the file at `path` describes, or the default one. Raises BadInput."""
    if path is None:
        return spec.default(DEFAULT_NAME)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput.of(f"cannot be read: {error.strerror}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise BadInput.of(f"is no text: {error.reason} at byte {error.start}", file=str(path)) from error
    documents, problems = yaml_text.read(text)
    if problems:
        raise BadInput(*(replace(problem, file=str(path), document=0) for problem in problems))
    clusters = [document for document in documents if document is not None]
    if len(clusters) != 1:
        raise BadInput.of(f"must hold one Cluster, not {len(clusters)} documents", file=str(path))
    return spec.parse(clusters[0], str(path))
