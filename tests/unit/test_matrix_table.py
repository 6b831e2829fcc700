"""The matrix as it is printed: one mark a pair, expected beside observed in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.matrix_table import difference_lines, print_matrix
from experiments.reach.cells import Cell, Expected
from experiments.reach.grid import MANY, grids, pieces, workload
from experiments.reach.probe import Outcome

pytestmark = pytest.mark.unit


def cell(
    source: str,
    target: str,
    outcome: str = "answered",
    expected: str = "unknown",
    port: int = 80,
    protocol: str = "TCP",
) -> Cell:
    agrees = expected == "unknown" or (expected == "allowed") == (outcome in ("answered", "closed"))
    fault = "" if agrees else f"expected {expected}, {outcome}"
    return Cell(source, target, port, protocol, Outcome(outcome), Expected(expected), fault)


TABLE = """\
at 80/TCP, 81/TCP
   from \\ to  12│3
1  x/a        ·✓│✗
2  x/b        −·│+
3  y/c        ✓○│·
at 53/UDP
   from \\ to  2
1  x/a        ✗
✓ answered   ○ packets pass, nobody listens   ✗ nothing came back   \
+ DIFFERS: expected denied, but packets pass   − DIFFERS: expected allowed, but nothing came back
x/b to x/a: expected allowed, silent at 80/TCP, 81/TCP
    podwire policy explain demo x/b x/a:80
x/b to y/c: expected denied, answered at 80/TCP
    podwire policy explain demo x/b y/c:80
"""


def test_expected_beside_observed_and_how_each_difference_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [
        cell("x/a", "x/b", "answered", "allowed"),
        cell("x/a", "x/b", "silent", "denied", port=53, protocol="UDP"),
        cell("x/a", "y/c", "silent", "denied"),
        cell("x/b", "x/a", "silent", "allowed"),
        cell("x/b", "x/a", "silent", "allowed", port=81),
        cell("x/b", "y/c", "answered", "denied"),
        cell("y/c", "x/a", "answered", "allowed"),
        cell("y/c", "x/b", "closed", "allowed"),
    ]
    print_matrix("demo", cells)
    assert capsys.readouterr().out == TABLE


def test_services_have_letters_that_are_told_below(capsys: pytest.CaptureFixture[str]) -> None:
    print_matrix("demo", [cell("d/a", f"d/s{number:02}", "silent") for number in range(28)])
    _, tens, header, row, *legend = capsys.readouterr().out.splitlines()
    assert tens.split() == ["aa"]
    assert header.split()[3] == "abcdefghijklmnopqrstuvwxyzab"
    assert row.split() == ["1", "d/a", "✗" * 28]
    assert (legend[0], legend[27]) == ("a  d/s00", "ab  d/s27")


def test_a_matrix_of_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_matrix("demo", [])
    assert capsys.readouterr().out.startswith("nothing to try: ")


def test_sixty_pods_fit_a_terminal_in_pages_of_whole_namespaces() -> None:
    names = [f"{space}/web-68cf7dc9b5-{number:05}" for space in "xyz" for number in range(20)]
    (grid,) = grids([cell(source, target) for source in names for target in names if source != target])
    labels = {name: str(number) for number, name in enumerate(names, 1)}
    pages = list(pieces(grid, 80, labels))
    assert [len(page.targets) for page in pages] == [40, 20]
    assert all(len(f"{number:>2}  {name:22}  {marks}") <= 80 for page in pages for number, name, marks in page.rows)


def test_a_namespace_that_fits_no_page_is_split_and_no_column_is_lost() -> None:
    names = [f"x/p{number:03}" for number in range(90)]
    (grid,) = grids([cell(source, target) for source in names[:2] for target in names if source != target])
    pages = list(pieces(grid, 60, {name: name[-3:] for name in names}))
    assert [target for page in pages for target in page.targets] == names
    assert all(len(marks) <= 60 - 3 - 6 - 4 for page in pages for _, _, marks in page.rows)


def test_of_very_many_pods_workloads_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    webs = [f"x/web-68cf7dc9b5-{number:05}" for number in range(MANY + 1)]
    some = [cell(webs[0], webs[1]), cell(webs[1], webs[0], "silent"), *(cell("x/db-0", web) for web in webs)]
    print_matrix("demo", some)
    first, _, _, db, web, _ = capsys.readouterr().out.splitlines()
    assert first.endswith("pods of one workload are shown as one")
    assert (db.split(), web.split()) == (["1", "x/db", "✓"], ["2", "x/web", "◐"])


@pytest.mark.parametrize(
    ("name", "of"),
    [("x/web-68cf7dc9b5-abcde", "x/web"), ("x/db-0", "x/db"), ("x/agent-x7k2p", "x/agent"), ("x/plain", "x/plain")],
)
def test_pods_are_told_by_their_workload(name: str, of: str) -> None:
    assert workload(name) == of


def test_udp_is_explained_as_udp_and_not_every_difference_is_printed() -> None:
    some = [cell(f"x/p{number}", "x/b", "silent", "allowed", 53, "UDP") for number in range(30)]
    lines = list(difference_lines("demo", some))
    assert lines[1].endswith("podwire policy explain demo x/p0 x/b:53 --protocol UDP")
    (_, why) = difference_lines("demo", [replace(some[0], service=True)])
    assert why.endswith("x/p0 svc/x/b:53 --protocol UDP")
    assert lines[-1] == "and 10 more pairs that differ; --json has all"
