"""The command line of a box: what it shows, what it hides, and what no manifest can talk it into."""

from dataclasses import replace
from pathlib import Path

import pytest

from topo.agent.bubblewrap import DEFAULT_CAPABILITIES, DEVICES, Box, Host, box_argv, exec_argv
from topo.agent.workload import StartError

pytestmark = pytest.mark.unit

HOST = Host(
    folders=("boot", "dev", "etc", "home", "opt", "proc", "root", "run", "srv", "state", "tmp", "usr", "var"),
    links=(("bin", "usr/bin"),),
    var_folders=("/var/lib", "/var/lib/nginx"),
    proc_entries=("sys", "irq"),
    hidden=("/state/podwire", "/home/me/labs"),
    masked=("/etc/shadow",),
    devices="/run/podwire/dev",
    nsenter="/usr/bin/nsenter",
    bwrap="/usr/bin/bwrap",
    setpriv="/usr/bin/setpriv",
)


def box(**changes: object) -> list[str]:
    given: dict[str, object] = {
        "network": Path("/run/netns/pod-u"),
        "hostname": "web",
        "argv": ("ls",),
        "environment": {},
    }
    return box_argv(HOST, Box(**(given | changes)), 7)  # type: ignore[arg-type]


def pairs(argv: list[str], option: str, values: int = 1) -> list[tuple[str, ...]]:
    return [tuple(argv[i + 1 : i + 1 + values]) for i, word in enumerate(argv) if word == option]


def test_the_host_is_read_only_and_private_folders_are_fresh() -> None:
    argv = box()
    assert pairs(argv, "--ro-bind", 2)[:4] == [(f"/{n}", f"/{n}") for n in ("etc", "opt", "state", "usr")]
    assert ("usr/bin", "/bin") in pairs(argv, "--symlink", 2)
    fresh = {path for (path,) in pairs(argv, "--tmpfs")}
    assert fresh == {"/home", "/root", "/run", "/var", "/tmp", "/state/podwire"}
    assert not pairs(argv, "--bind", 2)
    assert argv.index("/state/podwire") > argv.index("/state")


def test_shown_folders_are_read_only_where_their_surroundings_are_empty() -> None:
    host = replace(
        HOST, shown=("/home/me/podwire", "/srv/python", "/usr", "/bin/python"), hidden=("/home/me/podwire/labs",)
    )
    argv = box_argv(host, Box(Path("/n"), "web", ("ls",), {}), 7)
    binds = pairs(argv, "--ro-bind", 2)
    assert ("/home/me/podwire", "/home/me/podwire") in binds and ("/srv/python", "/srv/python") in binds
    assert binds.count(("/usr", "/usr")) == 1 and ("/bin/python", "/bin/python") not in binds
    assert argv.index("/home") < argv.index("/home/me/podwire") < argv.index("/home/me/podwire/labs")
    assert host.shows("/home/me/podwire/bin/python") and not host.shows("/home/me/podwire/labs/x")
    assert not host.shows("/home/me/secret")


def test_a_pods_own_files_lie_over_the_machines() -> None:
    assert ("/pod/hosts", "/etc/hosts") in pairs(box(files=(("/pod/hosts", "/etc/hosts"),)), "--ro-bind", 2)


def test_an_etc_without_them_is_made_anew() -> None:
    host = replace(HOST, etc=("/etc/passwd", "/etc/shadow"))
    argv = box_argv(host, Box(Path("/n"), "web", ("ls",), {}, files=(("/pod/hosts", "/etc/hosts"),)), 7)
    assert ("/etc",) in pairs(argv, "--tmpfs")
    assert ("/etc", "/etc") not in pairs(argv, "--ro-bind", 2)
    order = [argv.index(one) for one in ("/etc", "/etc/passwd", "/etc/hosts")]
    assert order == sorted(order)
    assert argv.index("/run/podwire/dev/null", argv.index("/etc/shadow")) > argv.index("/etc/passwd")


def test_nothing_that_root_could_write_without_a_capability_is_writable() -> None:
    argv = box()
    for name in HOST.proc_entries:
        assert (f"/proc/{name}", f"/proc/{name}") in pairs(argv, "--ro-bind", 2)
        assert argv.index(f"/proc/{name}") > argv.index("--proc")
    nodes = [(f"/run/podwire/dev/{name}", f"/dev/{name}") for name in DEVICES]
    assert pairs(argv, "--dev-bind", 2) == [*nodes, ("/run/podwire/dev/null", "/etc/shadow")]


def test_capabilities_are_a_containers_in_every_set() -> None:
    argv = box()
    assert {name for (name,) in pairs(argv, "--cap-add")} == {f"CAP_{name.upper()}" for name in DEFAULT_CAPABILITIES}
    assert argv.index("ALL") < argv.index("--cap-add")
    last = argv[argv.index("/usr/bin/setpriv") :]
    assert last[1:3] == ["--inh-caps=-all", "--ambient-caps=-all"]
    assert last[3].startswith("--bounding-set=-all,+chown,")
    assert last[4:] == ["--", "ls"]
    assert "sys_admin" not in last[3]
    assert "net_admin" not in last[3]


def test_a_command_inside_has_no_more_than_the_container() -> None:
    argv = exec_argv(HOST, 42, ["cat", "/x"])
    assert argv[:2] == ["/usr/bin/nsenter", "--target=42"]
    assert "--no-new-privs" in argv
    assert argv[-3:] == ["--", "cat", "/x"]


def test_arguments_stay_arguments() -> None:
    argv = box(argv=("sh", "--bind", "/", "/"), hostname="web", environment={"A": "$(rm -rf /); --bind"})
    assert argv[-4:] == ["sh", "--bind", "/", "/"]
    assert ("A", "$(rm -rf /); --bind") in pairs(argv, "--setenv", 2)
    assert argv[argv.index("--clearenv") + 1] == "--setenv"


@pytest.mark.parametrize(
    ("working_dir", "options"),
    [
        ("", ["--chdir", "/"]),
        ("/usr/share", ["--chdir", "/usr/share"]),
        ("/app", ["--dir", "/app", "--chdir", "/app"]),
        ("/var/www", ["--dir", "/var/www", "--chdir", "/var/www"]),
        ("/state/podwire/pki", ["--chdir", "/"]),
        ("/../../etc", ["--chdir", "/etc"]),
        ("/srv/x", ["--chdir", "/"]),
    ],
)
def test_working_directories(working_dir: str, options: list[str]) -> None:
    argv = box(working_dir=working_dir)
    assert argv[argv.index("--unshare-pid") - len(options) : argv.index("--unshare-pid")] == options


def test_volumes_are_the_only_writable_binds() -> None:
    argv = box(scratch=(("/run/podwire/pods/n/u/volumes/v", "/data"),))
    assert pairs(argv, "--bind", 2) == [("/run/podwire/pods/n/u/volumes/v", "/data")]


@pytest.mark.parametrize("path", ["/", "/proc/sys", "/dev", "/../../", "/sys/fs", ".."])
def test_mount_paths_that_no_box_has(path: str) -> None:
    with pytest.raises(StartError, match="cannot be a volume's"):
        box(scratch=(("/v", path),))


def test_mount_paths_are_resolved_before_bubblewrap_sees_them() -> None:
    assert pairs(box(scratch=(("/v", "/data/../../../oldroot/x"),)), "--bind", 2) == [("/v", "/oldroot/x")]


def test_a_volume_cannot_lie_beneath_another() -> None:
    with pytest.raises(StartError, match="beneath another"):
        box(scratch=(("/v", "/data"), ("/w", "/data/x")))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/usr/bin/ls", True),
        ("/opt/tool", True),
        ("/state/other", True),
        ("/state/podwire/pki/token", False),
        ("/state/podwire", False),
        ("/root/x", False),
        ("/home/me/bin/x", False),
        ("/tmp/x", False),
        ("/nowhere/x", False),
    ],
)
def test_what_a_box_shows(path: str, shown: bool) -> None:
    assert HOST.shows(path) is shown
