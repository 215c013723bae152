"""Writes the weights of a run, and a card of how they were made.

python launch/export_weights.py --workdir=runs/easy72_s6f1 --folder=weights

They can be loaded by rsf.load_pretrained("weights/easy72_s6f1.json"), and by every launcher with
--pretrained=weights/easy72_s6f1.json.
"""

from pathlib import Path

from absl import flags

from rsf_jax.commands import opening
from rsf_jax.run_folder import writable_folder

_FOLDER = flags.DEFINE_string("folder", "weights", "for both files")
_NAME = flags.DEFINE_string("name", None, "what to call them; the preset's name unless given")


def main() -> None:
    from rsf_jax import pretrained
    from rsf_jax.evaluation.recorder import make_record
    from rsf_jax.training.loading import load_trained

    workdir = opening.workdir()
    record, variables = make_record(workdir), load_trained(workdir).variables
    folder = writable_folder(Path(_FOLDER.value))
    card = pretrained.save_pretrained(_NAME.value or record.preset, record, variables, folder)
    print(f"{record.parameters:,} parameters are in {card.weights}, how they were made beside it")
