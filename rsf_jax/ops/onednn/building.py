"""Compiles the calls of oneDNN, once for a machine: five seconds of a C++ compiler.

oneDNN itself and its headers come as wheels, the headers of XLA's calls with JAX.
"""

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import jax

from rsf_jax.paths import cache_folder

_SOURCE = Path(__file__).with_name("convolution.cc")
_LIBRARY, _HEADERS = "onednn-cpu-gomp", "onednn-devel-cpu-gomp"
_COMPILERS = ("c++", "g++", "clang++")
_SECONDS = 300


class CannotBuildError(Exception):
    """oneDNN's calls cannot be compiled here; the message says why."""


def is_installed() -> bool:
    """Whether the extra's packages are there."""
    return _distribution(_LIBRARY) is not None and _distribution(_HEADERS) is not None


def build() -> Path:
    """Returns the shared library of the calls, compiled now unless it lies in the user's cache.

    Raises:
        CannotBuildError: if a package, a compiler or a place for the file is missing, or the
            compiler fails.
    """
    library, headers = _file(_LIBRARY, "libdnnl.so.3"), _file(_HEADERS, "dnnl.hpp")
    folder = cache_folder("onednn")
    if folder is None:
        raise CannotBuildError("there is no folder for what is compiled: set XDG_CACHE_HOME")
    built = folder / f"{_name(library)}.so"
    if not built.exists():
        _compile(library, headers.parent, built)
    return built


def _compile(library: Path, headers: Path, built: Path) -> None:
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        raise CannotBuildError("no C++ compiler is found: install g++, or set CXX")
    # Two processes may compile at once: each into a file of its own, and one is kept.
    with tempfile.TemporaryDirectory(dir=built.parent) as scratch:
        made = Path(scratch, built.name)
        command = [compiler, "-O2", "-std=c++17", "-shared", "-fPIC", "-w", str(_SOURCE)]
        command += [f"-I{jax.ffi.include_dir()}", f"-I{headers}", str(library)]
        command += [f"-Wl,-rpath,{library.parent}", "-o", str(made)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CannotBuildError(f"{compiler} does not run: {error}") from error
        if done.returncode:
            said = next((line for line in done.stderr.splitlines() if "error" in line), "no word")
            raise CannotBuildError(f"{compiler} fails: {said.strip()}")
        made.replace(built)


def _name(library: Path) -> str:
    """Of all that the compiled file depends on."""
    parts = (
        _SOURCE.read_bytes(),
        importlib.metadata.version("jaxlib").encode(),
        str(library).encode(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _file(package: str, name: str) -> Path:
    found = _distribution(package)
    if found is None:
        raise CannotBuildError(
            f"the package {package} is not installed: pip install 'rsf_jax[onednn]'"
        )
    for file in found.files or []:
        path = Path(str(file.locate()))
        if file.name == name and path.exists():
            return path.resolve()
    raise CannotBuildError(f"the package {package} has no file {name}")


def _distribution(package: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return None
