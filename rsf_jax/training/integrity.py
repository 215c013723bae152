"""Checksums of saved files, because storage libraries restore damaged arrays without noticing."""

import hashlib
import json
import shutil
from pathlib import Path

from rsf_jax.errors import InputError

MANIFEST = "sha256.json"
DAMAGED = "damaged"
# See docs/decisions/0010-checkpoints.md.
# Checkpoints that are to be deleted are first moved here at once: half of one looks like damage.
DELETED = "deleted"


def seal(folder: Path) -> None:
    """Writes the SHA-256 of every file under `folder` into `folder/sha256.json`.

    The manifest appears under its name only once it is whole: a folder without one was cut off
    while it was being written.
    """
    draft = folder / (MANIFEST + ".draft")
    draft.write_text(json.dumps(_checksums(folder), indent=1, sort_keys=True))
    draft.rename(folder / MANIFEST)


def write_item(folder: Path, name: str, content: str) -> None:
    """Adds an item of one file to a checkpoint, as Orbax would have; it is there whole or not.

    Until the checkpoint is sealed again the item is not checked.
    """
    draft, item = folder / f"{name}.draft", folder / name
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    (draft / name).write_text(content)
    # Where a folder cannot be renamed as a whole, this file is Orbax's sign that one is complete.
    complete = folder / "commit_success.txt"
    if complete.exists():
        shutil.copy(complete, draft)
    shutil.rmtree(item, ignore_errors=True)
    draft.rename(item)


def sealed_steps(folder: Path) -> list[int]:
    """Returns the checkpoints of a run, by number of updates, that were written to their end."""
    names = (path.parent.name for path in folder.glob(f"*/{MANIFEST}"))
    return sorted(int(name) for name in names if name.isdecimal() and name.isascii())


def damage(folder: Path) -> str | None:
    """Returns what is wrong with a sealed folder in a few words, None if nothing is."""
    try:
        recorded = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        return f"{MANIFEST} cannot be read: {error}"
    present = _checksums(folder)
    for name, checksum in recorded.items():
        if name not in present:
            return f"{name} is missing"
        if present[name] != checksum:
            return f"{name} is not what was saved"
    return None


def find_damaged(folder: Path) -> dict[int, str]:
    """Returns what is wrong with each damaged checkpoint of a run, by number of updates."""
    found = {step: damage(folder / str(step)) for step in sealed_steps(folder)}
    return {step: problem for step, problem in found.items() if problem is not None}


def remove_unfinished(folder: Path) -> None:
    """Deletes what a kill has left in a run's folder of checkpoints, half written or half deleted.

    To keep it would be dangerous: it would count as one of the latest, of which two are kept.
    """
    shutil.rmtree(folder / DELETED, ignore_errors=True)
    for path in folder.iterdir():
        number, _, unfinished = path.name.partition(".orbax-checkpoint-tmp")
        if number.isdigit() and (unfinished or not (path / MANIFEST).is_file()):
            shutil.rmtree(path)


def set_aside_damaged(folder: Path) -> None:
    """Moves the damaged checkpoints of a run to `damaged/` beside their folder, and says so.

    Raises:
        InputError: if there would be none left.
    """
    damaged = find_damaged(folder)
    intact = [step for step in sealed_steps(folder) if step not in damaged]
    if damaged and not intact:
        found = "; ".join(f"update {step}: {problem}" for step, problem in damaged.items())
        raise InputError(
            f"every checkpoint in {folder} is damaged ({found}): restore one from a copy, or start "
            "anew in another folder"
        )
    for step, problem in damaged.items():
        place = folder.parent / DAMAGED / str(step)
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(exist_ok=True)
        shutil.move(folder / str(step), place)
        print(
            f"The checkpoint of update {step} is damaged ({problem}). It was moved to {place}; the "
            f"latest that is not is of update {intact[-1]}"
        )


def _checksums(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(MANIFEST))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
