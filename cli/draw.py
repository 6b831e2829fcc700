"""`podwire draw`: the fabric as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DESCRIPTIONS = (".yaml", ".yml", ".json")
PICTURES = (".svg", ".png")


def draw(
    what: Annotated[
        str, typer.Argument(metavar="CLUSTER.yaml|N", help="A cluster's description, or a lab.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg|FILE.png", help="The file to write; NAME.svg here without it, or for -."),
    ] = None,
) -> None:
    """Draw the fabric; of a lab, how many pods each node has and what crosses each link within a second.

    Prints the picture's path.
    """
    from experiments.drawing import picture
    from experiments.drawing.live import scene_of_lab
    from experiments.drawing.scene import scene_of
    from k8sshim.errors import BadInput
    from lab import description, state
    from topo.plan import plan

    asked = None if out is None or str(out) == "-" else _checked(out)
    if Path(what).suffix in DESCRIPTIONS or "/" in what:
        described = description.load(Path(what))
        name, scene = described.name, scene_of(plan(described))
    else:
        name, scene = what, scene_of_lab(state.find(what))
    path = asked or _checked(Path(f"{name}.svg"))
    try:
        picture.save(scene, path)
    except OSError as error:
        raise BadInput.of(f"cannot be written: {error.strerror}", file=str(path)) from error
    print(path)


def _checked(path: Path) -> Path:
    """The path, where a picture can be written. Raises BadInput."""
    from k8sshim.errors import BadInput

    if path.suffix not in PICTURES:
        raise BadInput.of(f"must end in {' or '.join(PICTURES)}, not {path.name!r}", field="--out")
    if not path.absolute().parent.is_dir():
        raise BadInput.of(f"{path.parent} is no folder", field="--out")
    return path
