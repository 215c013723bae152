"""Writes the weights of a run, a card of how they were made, and a page for those who get them.

python launch/export_weights.py --workdir=runs/easy72_s6f1 --name=mine --folder=weights/mine

The folder can be shared as it is, also on the Hugging Face hub: README.md is a model card.
rsf.load_pretrained("weights/mine") loads it, and so does every command with
--pretrained=weights/mine.
"""

from pathlib import Path

from absl import flags

from rsf_jax.commands import opening, shared
from rsf_jax.run_folder import writable_folder
from rsf_jax.trained.cards import check_name

_FOLDER = flags.DEFINE_string("folder", None, "for all files; weights/NAME unless given")
_NAME = flags.DEFINE_string("name", None, "what to call them; the preset's name unless given")


def main() -> None:
    from rsf_jax import pretrained
    from rsf_jax.evaluation.recorder import make_record
    from rsf_jax.training.loading import load_trained

    shared.refuse_settings(names_folder=True)
    workdir = opening.workdir()
    record, variables = make_record(workdir), load_trained(workdir).variables
    name = check_name(_NAME.value or record.preset)
    folder = writable_folder(Path(_FOLDER.value or Path("weights", name)))
    card = pretrained.save_pretrained(name, record, variables, folder)
    print(f"{record.parameters:,} parameters are in {card.weights}, how they were made beside it")
    if page := pretrained.write_model_card(card):
        print(f"{page} is their model card: add your license to its head before you share it")
    else:
        print(f"{folder / 'README.md'} is there already and left as it is: delete it for a new one")
