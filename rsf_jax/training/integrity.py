"""Checksums of saved files, because storage libraries restore damaged arrays without noticing."""

import hashlib
import json
import shutil
from pathlib import Path

from rsf_jax.errors import InputError
from rsf_jax.run_folder import RunFolder, read_json

MANIFEST = "sha256.json"
META = "meta"  # the item that every checkpoint has, and nobody else's
DAMAGED = "damaged"
# See docs/decisions/0010-checkpoints.md.
# Checkpoints that are to be deleted are first moved here at once: half of one looks like damage.
# A name that nobody else gives: all that is in it goes.
DELETED = ".deleted_checkpoints"


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


def check_own(run: RunFolder) -> None:
    """Checks that nothing of what training would write over or delete is somebody else's.

    Raises:
        InputError: if a folder has checkpoints, or settings, that are not those of a run.
    """
    folder = run.checkpoints
    for path in folder.iterdir() if folder.is_dir() else ():
        # Orbax gives a folder its number once all items are there; others number theirs as well.
        if _is_unsealed(path) and not (path / META).is_dir():
            raise InputError(f"{path} is no checkpoint of this library: choose another folder")
    if run.config.exists() and not sealed_steps(folder):
        found = read_json(run.config, "choose another folder, or delete it")
        if not isinstance(found, dict) or not {"dataset", "model"} <= found.keys():
            raise InputError(f"{run.config} has no settings of a run: choose another folder")


def remove_unfinished(folder: Path) -> None:
    """Deletes what a kill has left in a run's folder of checkpoints, half written or half deleted.

    To keep it would be dangerous: it would count as one of the latest, of which two are kept.
    """
    shutil.rmtree(folder / DELETED, ignore_errors=True)
    for path in folder.iterdir():
        number, _, unfinished = path.name.partition(".orbax-checkpoint-tmp")
        if (number.isdigit() and unfinished) or _is_unsealed(path):
            # Not in place: half of one could not be told from somebody else's.
            (folder / DELETED).mkdir(exist_ok=True)
            path.rename(folder / DELETED / path.name)
    shutil.rmtree(folder / DELETED, ignore_errors=True)


def _is_unsealed(path: Path) -> bool:
    return path.name.isdigit() and path.is_dir() and not (path / MANIFEST).is_file()


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
