"""kubectl for tests: every one on PATH and in PODWIRE_KUBECTLS (paths, separated by colons)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api_process import ApiProcess


def kubectls() -> list[str]:
    on_path = shutil.which("kubectl")
    return [path for path in (on_path, *os.environ.get("PODWIRE_KUBECTLS", "").split(":")) if path]


class Kubectl:
    """One kubectl with the server's kubeconfig and a home of its own."""

    def __init__(self, program: str, server: ApiProcess, home: Path) -> None:
        self.program = program
        self.server = server
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(server.kubeconfig)}

    @property
    def minor(self) -> int:
        """Its version: 32 for 1.32."""
        told = json.loads(self("version", "--client", "-o", "json"))["clientVersion"]["minor"]
        return int(told.rstrip("+"))

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        argv = [self.program, *arguments]
        return subprocess.run(
            argv, input=given, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def __call__(self, *arguments: str, given: str = "") -> str:
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, (
            f"kubectl {' '.join(arguments)}: {done.stderr}{self.server.log.read_text()[-2000:]}"
        )
        return done.stdout

    def rows(self, *arguments: str) -> list[list[str]]:
        """A table's lines, split at the gaps of two or more spaces."""
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in self(*arguments).splitlines()]

    @contextmanager
    def started(self, *arguments: str) -> Iterator[list[str]]:
        """The lines that a kubectl which goes on has written so far."""
        lines: list[str] = []
        argv = [self.program, *arguments]
        process = subprocess.Popen(argv, env=self.environment, stdout=subprocess.PIPE, text=True)
        output = process.stdout
        assert output is not None

        def read() -> None:
            for line in output:
                lines.append(line)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield lines
        finally:
            process.terminate()
            process.wait(10)
            reader.join(10)
            output.close()
