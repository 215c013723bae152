"""Puts sweeps side by side: python launch/compare.py --sweeps=BPTT=runs/a/sweep.json,...

Each is what launch/evaluate.py --sweep wrote: of several models, ways of training or datasets.
"""

from pathlib import Path

from absl import flags

import rsf_jax as rsf
from rsf_jax.commands import opening, shared
from rsf_jax.run_folder import writable_folder

_SWEEPS = flags.DEFINE_list("sweeps", [], "NAME=FILE of each sweep, separated by commas")


def main() -> None:
    from rsf_jax.evaluation import comparison

    shared.refuse_settings()
    sweeps = dict(_named(text) for text in _SWEEPS.value)
    if len(sweeps) < 2 or len(sweeps) < len(_SWEEPS.value):
        raise rsf.InputError("give --sweeps=NAME=FILE,NAME=FILE: two or more, of different names")
    folder = writable_folder(opening.workdir("runs/comparison"))
    comparison.print_comparison(comparison.compare(sweeps, folder))
    print(f"The picture is {folder / 'comparison.png'}")


def _named(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise rsf.InputError(f"sweep {text!r} is not NAME=FILE, as in BPTT=runs/a/sweep.json")
    return name, Path(path)
