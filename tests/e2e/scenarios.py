"""Our own scenarios, made small, and run by the command line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml
from laboratory import Podwire

from experiments import catalogue, folder
from experiments.recording import ATTEMPTS
from experiments.results import Failure, Run


def small(place: Path, name: str, **parameters: Any) -> Path:
    """One of our own scenarios with other parameters, in a folder of its own."""
    shutil.copytree(catalogue.FOLDER / name, place / name)
    raw = yaml.safe_load((catalogue.FOLDER / f"{name}.yaml").read_text())
    raw["spec"] |= {"repetitions": 2, "secondsPerReading": 0.1}
    raw["spec"]["parameters"] |= parameters
    file = place / f"{name}.yaml"
    file.write_text(yaml.safe_dump(raw))
    return file


def failed(made: Run) -> list[Failure]:
    """Readings that did not work when they were tried once more, either."""
    return [one for one in made.failures if one.attempt == ATTEMPTS]


def run(podwire: Podwire, scenario: Path, out: Path) -> tuple[Run, Path]:
    done = podwire("run", str(scenario), "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    written = Path(done.stdout.splitlines()[-1])
    assert not any(one["name"].startswith(scenario.stem) for one in podwire.json("ls"))
    return folder.read(written), written
