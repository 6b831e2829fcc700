"""The controllers' process for tests: against a real API server, to be killed and begun anew."""

from __future__ import annotations

import subprocess
import sys

from api_process import ROOT, ApiProcess


class Controllers:
    """The process."""

    def __init__(self, server: ApiProcess) -> None:
        self._argv = [sys.executable, "-m", "k8sshim.controllers", "--kubeconfig", str(server.kubeconfig)]
        self.log = server.folder / "controllers.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, cwd=ROOT, stdout=log, stderr=log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(10)
