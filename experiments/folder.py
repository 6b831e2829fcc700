"""Where results lie: `<out>/<scenario>/<UTC time>-<id>/run.json`, written once and never changed."""

from __future__ import annotations

import json
from pathlib import Path

from experiments import schema
from experiments.results import Run
from k8sshim.errors import BadInput, PodwireError

RUN = "run.json"


def write(run: Run, out: Path) -> Path:
    """The new folder of a run, with its record. Raises PodwireError where it cannot be written."""
    stamp = run.started.replace("-", "").replace(":", "").partition(".")[0].rstrip("Z")
    folder = out / run.name / f"{stamp}Z-{run.id}"
    try:
        folder.mkdir(parents=True)
        with (folder / RUN).open("x") as file:
            json.dump(run.to_json(), file, indent=1, ensure_ascii=False)
            file.write("\n")
    except OSError as error:
        raise PodwireError(f"{folder}: cannot be written: {error.strerror}") from error
    return folder


def read(folder: Path) -> Run:
    """The run whose record lies in a folder. Raises BadInput."""
    file = folder / RUN
    try:
        raw = json.loads(file.read_text())
    except OSError as error:
        raise BadInput.of(f"cannot be read: {error.strerror}", file=str(file)) from error
    except ValueError as error:
        raise BadInput.of(f"no JSON: {error}", file=str(file)) from error
    return schema.read(raw, str(file))


def check_writable(out: Path) -> None:
    """Raises BadInput where results could not be written: better known before the measuring than after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".podwire-writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput.of(f"results cannot be written there: {error.strerror}", file=str(out)) from error
