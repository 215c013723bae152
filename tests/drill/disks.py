"""Full and read-only disks: run in a mount namespace of its own, see `faults.on_small_disks`."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.drill.faults import Row
from tests.drill.scene import Lost, Scene, check_nothing_lost, saved

_SIZE = 8 << 20  # bytes


def full(scene: Scene, tries: int, rng: np.random.Generator) -> Row:
    """No space is left on the disk, sooner or later in a run."""
    row, updates = Row("the disk is full while saving"), []
    disk = scene.folder / "disk"
    for _ in range(tries):
        with row.attempt():
            _mount(disk, f"size={_SIZE}")
            workdir, ballast = disk / "run", disk / "ballast"
            ballast.write_bytes(bytes(_SIZE - int(rng.integers(20_000, 2_200_000))))
            process = scene.start(workdir).wait(300)
            if process.returncode != 1 or "No space left" not in process.stderr:
                raise Lost(f"exit code {process.returncode}: {process.stdout}{process.stderr}")
            if process.stderr.count("\n") != 1:
                raise Lost(f"more than a line was said: {process.stderr}")
            updates.append(saved(workdir))
            check_nothing_lost(workdir, 0)
            ballast.unlink()
            scene.finish(workdir)
            scene.check_end(workdir)
        _unmount(disk)
    if updates:
        row.note = f"one line of error; resumed from updates {min(updates)} to {max(updates)}"
    return row


def read_only(scene: Scene, tries: int, rng: np.random.Generator) -> Row:
    """The folder cannot be written to."""
    row = Row("a read-only folder")
    disk = scene.folder / "disk"
    for _ in range(tries):
        with row.attempt():
            _mount(disk, "ro")
            process = scene.start(disk).wait()
            if process.returncode != 1 or "cannot be written to" not in process.stderr:
                raise Lost(f"exit code {process.returncode}: {process.stdout}{process.stderr}")
        _unmount(disk)
    row.note = "refused before anything is computed"
    return row


def _mount(folder: Path, options: str) -> None:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def main(folder: str, tries: str, seed: str) -> None:
    """Prints the rows as a line of JSON."""
    scene, rng = Scene(Path(folder)), np.random.default_rng(int(seed))
    rows = [full(scene, int(tries), rng), read_only(scene, 1, rng)]
    print(json.dumps([dataclasses.asdict(row) for row in rows]))


if __name__ == "__main__":
    main(*sys.argv[1:])
