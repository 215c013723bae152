"""Faults, each tried a number of times on a training run: whatever happens, nothing is lost."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from rsf_jax.run_folder import RunFolder
from tests.drill.scene import (
    UPDATES,
    Lost,
    Scene,
    check_nothing_lost,
    is_saving,
    saved,
    wait_until_saved,
)

NOTICE = 30.0  # seconds from SIGTERM to the end that clusters give


@dataclasses.dataclass
class Row:
    """What came of a fault.

    Attributes:
        fault: what was done.
        tries: how often.
        recovered: tries after which a run resumed and ended as one that nothing disturbed, to the
            bit; or was refused, where nothing else can be done, and left all as it was.
        note: what else there is to say.
        losses: what went wrong, try by try.
    """

    fault: str
    tries: int = 0
    recovered: int = 0
    note: str = ""
    losses: list[str] = dataclasses.field(default_factory=list)

    @contextlib.contextmanager
    def attempt(self, tries: int = 1) -> Iterator[None]:
        """Counts what happens inside as tries; a loss does not end the drill."""
        self.tries += tries
        try:
            yield
        except Lost as loss:
            self.losses.append(str(loss))
        else:
            self.recovered += tries


def kill(scene: Scene, tries: int, rng: np.random.Generator) -> Row:
    """SIGKILL at random moments, every other time while a checkpoint is being saved."""
    row, killed, while_saving, runs = Row("SIGKILL at a random moment"), 0, 0, 0
    while killed < tries:
        workdir, kills, ended = scene.new_workdir(), 0, False
        with row.attempt(0):
            while killed + kills < tries and not ended:
                process = scene.start(workdir)
                _wait_for_moment(workdir, process, rng, during_saving=bool(rng.integers(2)))
                before = saved(workdir)
                ended = process.returncode is not None
                if not ended:
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait()
                    kills += 1
                    while_saving += is_saving(workdir)
                check_nothing_lost(workdir, before)
            scene.finish(workdir)
            scene.check_end(workdir)
            row.recovered += kills
        row.tries += kills
        killed, runs = killed + kills, runs + 1
    row.note = f"{while_saving} while saving; {runs} runs, each resumed until its end"
    return row


def _wait_for_moment(
    workdir: Path, process: object, rng: np.random.Generator, *, during_saving: bool
) -> None:
    """Waits for anything from nothing to six seconds; or for a save, and a moment more."""
    deadline = time.monotonic() + rng.uniform(0, 6)
    if during_saving:
        deadline = time.monotonic() + 60
        old = saved(workdir)
        while not (is_saving(workdir) and saved(workdir) > old):
            if process.returncode is not None or time.monotonic() > deadline:
                return
            time.sleep(0.001)
        deadline = time.monotonic() + rng.uniform(0, 0.1)
    while process.returncode is None and time.monotonic() < deadline:
        time.sleep(0.001)


def terminate(scene: Scene, tries: int, rng: np.random.Generator) -> Row:
    """SIGTERM, as clusters send it: the run has to end in time by itself."""
    row, longest = Row(f"SIGTERM, {NOTICE:.0f} s before the end"), 0.0
    for _ in range(tries):
        with row.attempt():
            workdir = scene.new_workdir()
            process = scene.start(workdir)
            wait_until_saved(workdir, process, int(rng.integers(1, UPDATES * 2 // 3)))
            before = saved(workdir)
            began = time.monotonic()
            os.kill(process.pid, signal.SIGTERM)
            process.wait(NOTICE)
            longest = max(longest, time.monotonic() - began)
            if process.returncode not in (0, -signal.SIGTERM):  # 0: it was done already
                raise Lost(f"exit code {process.returncode}: {process.stderr}")
            check_nothing_lost(workdir, before)
            scene.finish(workdir)
            scene.check_end(workdir)
    row.note = f"ended {longest:.1f} s after the signal at the latest"
    return row


def damage(scene: Scene, tries: int, rng: np.random.Generator) -> Row:
    """A file of the latest checkpoint is not what was saved."""
    row = Row("a file of the latest checkpoint is cut, emptied, deleted, or has a bit flipped")
    started = scene.new_workdir()
    process = scene.start(started)
    wait_until_saved(started, process, UPDATES // 3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for n in range(tries):
        with row.attempt():
            workdir = scene.new_workdir()
            shutil.copytree(started, workdir)
            spoil = _SPOILERS[n % len(_SPOILERS)]
            spoil(_any_file(RunFolder(workdir).checkpoints / str(saved(workdir)), rng), rng)
            output = scene.finish(workdir).stdout
            if "is damaged" not in output:
                raise Lost(f"damage was not noticed: {output}")
            scene.check_end(workdir)
    row.note = "noticed each time, and resumed from the checkpoint before"
    return row


def _any_file(folder: Path, rng: np.random.Generator) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in files if path.stat().st_size and path.name != "sha256.json"]
    return files[rng.integers(len(files))]


def _cut(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(path.read_bytes()[: rng.integers(path.stat().st_size)])


def _empty(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(b"")


def _delete(path: Path, rng: np.random.Generator) -> None:
    path.unlink()


def _flip(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


_SPOILERS: list[Callable[[Path, np.random.Generator], None]] = [_flip, _cut, _delete, _empty]


def two_processes(scene: Scene, tries: int, rng: np.random.Generator) -> Row:
    """A second process on a folder in which one trains."""
    row = Row("a second process in the same folder")
    for _ in range(tries):
        with row.attempt():
            workdir = scene.new_workdir()
            first = scene.start(workdir)
            wait_until_saved(workdir, first, 1)
            second = scene.start(workdir).wait()
            if second.returncode != 1 or "another process trains" not in second.stderr:
                raise Lost(f"not refused: {second.returncode} {second.stdout}{second.stderr}")
            if first.wait(300).returncode != 0:
                raise Lost(f"the first has failed: {first.stderr}")
            scene.check_end(workdir)
    row.note = "refused, and the first is undisturbed"
    return row


def on_small_disks(scene: Scene, tries: int, rng: np.random.Generator) -> list[Row]:
    """Full and read-only file systems, which only a namespace of one's own lets one mount."""
    command = ["unshare", "--mount", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"]).returncode != 0:
        return []
    arguments = (str(scene.folder), str(tries), str(rng.integers(1 << 31)))
    ran = subprocess.run(
        [*command, sys.executable, "-m", "tests.drill.disks", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [Row(**row) for row in json.loads(ran.stdout.splitlines()[-1])]
