"""Launchers as processes of their own, forked from one that has imported what they all need.

Starting Python and importing JAX takes seconds, and the tests start many launchers.
"""

import dataclasses
import multiprocessing
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import brevity, compiling

ROOT = Path(__file__).parents[1]
_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload(
    [__name__, "rsf_jax.experiment", "rsf_jax.analysis", "grain", "matplotlib.pyplot"]
)


@dataclasses.dataclass
class Launched:
    """A launcher that runs, or has run.

    Attributes:
        process: its process.
        folder: where its output goes.
    """

    process: multiprocessing.process.BaseProcess
    folder: Path

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code: None while it runs, negative if a signal ended it."""
        return self.process.exitcode

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return (self.folder / "stdout").read_text()

    @property
    def stderr(self) -> str:
        """What it has printed as errors so far."""
        return (self.folder / "stderr").read_text()

    def wait(self, seconds: float = 120) -> "Launched":
        """Waits until it has ended."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            raise AssertionError(f"still running after {seconds} s: {self.stdout}{self.stderr}")
        return self


def start(folder: Path, name: str, *flags: str, xla_flags: str = compiling.FLAGS) -> Launched:
    """Starts `python launch/{name}.py {flags}`; its output goes to files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    process = _FORKSERVER.Process(target=_run, args=(folder, name, flags, xla_flags))
    process.start()
    return Launched(process, folder)


def fork(target: Callable[..., None], *args: Any) -> multiprocessing.process.BaseProcess:
    """Starts a function in a process of its own."""
    process = _FORKSERVER.Process(target=target, args=args)
    process.start()
    return process


def _run(folder: Path, name: str, flags: tuple[str, ...], xla_flags: str) -> None:
    """In the new process, where JAX is imported but has not started."""
    for stream in (sys.stdout, sys.stderr):
        file = os.open(folder / stream.name.strip("<>"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(file, stream.fileno())
    os.chdir(ROOT)
    os.environ.update(XLA_FLAGS=xla_flags, COLUMNS="100")
    brevity.begin()
    script = ROOT / "launch" / f"{name}.py"
    sys.argv = [str(script), *flags]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")
