"""Checksums of saved files, because storage libraries restore damaged arrays without noticing."""

import hashlib
import json
from pathlib import Path

MANIFEST = "sha256.json"


def seal(folder: Path) -> None:
    """Writes the SHA-256 of every file under `folder` into `folder/sha256.json`.

    The manifest appears under its name only once it is whole: a folder without one was cut off
    while it was being written.
    """
    draft = folder / (MANIFEST + ".draft")
    draft.write_text(json.dumps(_checksums(folder), indent=1, sort_keys=True))
    draft.rename(folder / MANIFEST)


def is_sealed(folder: Path) -> bool:
    """Returns whether the folder was written to its end."""
    return (folder / MANIFEST).is_file()


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


def _checksums(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(MANIFEST))
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
