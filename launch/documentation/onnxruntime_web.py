"""ONNX Runtime for browsers: fetched by npm when the site is built, not part of the repository.

The environment variable `RSF_BROWSER_RUNTIME` says what is done: `auto` (or nothing) takes it if
npm can get it, `off` does not ask, and `required` ends the build without it.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from documentation.site import ROOT

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
# Of the archive, as npm states it: another one is refused, wherever it came from.
INTEGRITY = "sha512-" + (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
# The same files serve one thread and several; the page asks for one, as several need headers that
# hosts of static pages do not send.
FILES = (
    *("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs"),
    "ort-wasm-simd-threaded.wasm",
)
SWITCH = "RSF_BROWSER_RUNTIME"
_CHOICES = ("auto", "off", "required")
KEPT = ROOT / "build" / "npm"  # what was fetched, between builds
_SECONDS = 180.0  # that a download may take


class RuntimeMissingError(Exception):
    """There is no runtime; the text says why."""


def choice(environment: Mapping[str, str] = os.environ) -> str:
    """Returns what `RSF_BROWSER_RUNTIME` says: "auto", "off" or "required".

    Raises:
        ValueError: if it says something else.
    """
    found = environment.get(SWITCH) or "auto"
    if found not in _CHOICES:
        raise ValueError(f"{SWITCH} is {found!r}: choose one of {', '.join(_CHOICES)}")
    return found


def files(kept: Path | None = None) -> dict[str, bytes]:
    """Returns the files that a page loads, by name.

    Args:
        kept: folder with what was fetched before; None for `KEPT`.

    Raises:
        RuntimeMissingError: if it is switched off, npm is not there or gets nothing, or what it
            got is another archive.
    """
    if choice() == "off":
        raise RuntimeMissingError(f"{SWITCH} is off")
    archive = (kept or KEPT) / f"{PACKAGE}-{VERSION}.tgz"
    if not archive.exists():
        _fetch(archive)
    if integrity(archive) != INTEGRITY:
        archive.unlink()
        raise RuntimeMissingError(f"{archive.name} is not the archive that was expected")
    with tarfile.open(archive) as opened:
        members = {name: opened.extractfile(f"package/dist/{name}") for name in FILES}
        return {name: member.read() for name, member in members.items() if member is not None}


def _fetch(archive: Path) -> None:
    """Lets npm download the archive, from wherever it is set to look."""
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeMissingError("npm is not installed")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        call = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--fetch-retries=0"]
        try:
            done = subprocess.run(
                [*call, f"--pack-destination={folder}"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeMissingError(f"npm took longer than {_SECONDS:g} seconds") from None
        fetched = Path(folder) / archive.name
        if done.returncode or not fetched.exists():
            raise RuntimeMissingError(f"npm cannot get {PACKAGE} {VERSION}")
        fetched.replace(archive)  # whole, or not at all


def integrity(path: Path) -> str:
    """Returns the checksum of a file as npm writes it."""
    digest = hashlib.sha512(path.read_bytes()).digest()
    return f"sha512-{base64.b64encode(digest).decode()}"
