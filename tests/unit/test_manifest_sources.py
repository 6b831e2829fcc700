"""Where manifests come from: folders, links, what may not be read, and what is too much."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from k8sshim.errors import BadInput
from k8sshim.manifests import load, sources

pytestmark = pytest.mark.unit

NOBODY = 65534


def manifest(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n"


def names(*given: Path | str, recursive: bool = False) -> list[str]:
    return [document.raw["metadata"]["name"] for document in load([str(each) for each in given], recursive=recursive)]


def message(*given: Path | str, recursive: bool = False) -> str:
    with pytest.raises(BadInput) as caught:
        load([str(each) for each in given], recursive=recursive)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    for file in ("b.yaml", "a.yml", "c.json", "below/d.yaml"):
        name = Path(file).stem
        text = f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}}}}'
        (tmp_path / file).write_text(text if file.endswith("json") else manifest(name))
    (tmp_path / "README.md").write_text("no manifest")
    return tmp_path


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """As a user that may not read root's files."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_folder_is_read_in_order_and_not_below(folder: Path) -> None:
    assert names(folder) == ["a", "b", "c"]
    assert names(folder, recursive=True) == ["a", "b", "d", "c"]
    assert names(folder / "c.json", folder / "a.yml") == ["c", "a"]


def test_links_to_folders_are_not_followed(folder: Path) -> None:
    (folder / "below" / "loop").symlink_to(folder)
    assert names(folder, recursive=True) == ["a", "b", "d", "c"]


def test_link_to_a_manifest_is_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "z.yaml").symlink_to(folder / "below" / "d.yaml")
    assert names(folder)[-1] == "d"


def test_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "a.yaml")
    assert message(tmp_path / "a.yaml") == f"{tmp_path}/a.yaml: too many levels of symbolic links"
    assert message(tmp_path) == f"{tmp_path}/a.yaml: too many levels of symbolic links"


def test_no_permission(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(manifest("a"))
    file.chmod(0)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:2]:  # pytest's own, which nobody else may enter
        parent.chmod(parent.stat().st_mode | 0o055)
    request.getfixturevalue("unprivileged")
    assert message(file) == f"{file}: permission denied"
    assert message(closed) == f"{closed}: permission denied"


def test_standard_input_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(manifest("a").encode())))
    assert names("-") == ["a"]


def test_pipe_is_read(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, manifest("a").encode())
    os.close(writer)
    assert names(f"/dev/fd/{reader}") == ["a"]
    os.close(reader)


def test_endless_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_BYTES", 1024 * 1024)
    assert message("/dev/zero") == "/dev/zero: is larger than 1 MiB"


def test_byte_order_mark_and_carriage_returns(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + manifest("a").replace("\n", "\r\n").encode())
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, ""])
def test_impossible_names(name: str) -> None:
    assert message(name)


def test_yaml_that_begins_like_json(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n" + manifest("b"))
    assert names(tmp_path) == ["a", "b"]


def test_lists_of_lists(tmp_path: Path) -> None:
    item = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"
    inner = f"{{apiVersion: v1, kind: List, items: [{item}]}}"
    (tmp_path / "a.yaml").write_text(
        f"apiVersion: v1\nkind: List\nitems:\n- {inner}\n- {item.replace('a}', 'b}')}\n"
        "---\napiVersion: v1\nkind: ConfigMapList\nitems:\n- {metadata: {name: c}}\n---\nkind: List\nitems: []\n"
    )
    assert names(tmp_path) == ["a", "b", "c"]


def test_documents_know_where_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("# nothing\n---\n" + manifest("a") + "---\n---\n" + manifest("b"))
    assert [(each.file, each.number, each.name) for each in load([str(file)])] == [
        (str(file), 1, "ConfigMap default/a"),
        (str(file), 3, "ConfigMap default/b"),
    ]
