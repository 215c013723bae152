"""Makes a checkpoint of published weights.

python launch/import_weights.py --weights=model.pt --config=hard_s8f8 --workdir=runs/published
"""

from absl import flags

import rsf_jax as rsf
from rsf_jax.commands import as_called, opening, shared
from rsf_jax.run_folder import writable_folder

_WEIGHTS = flags.DEFINE_string(
    "weights",
    None,
    "a .pt, .pth or .safetensors file, an .npz file, or the .index.json of shards",
    required=True,
)


def main() -> None:
    from rsf_jax.data import dataset as data
    from rsf_jax.training import imports

    if not shared.CONFIG.value:
        raise rsf.InputError("give --config=PRESET: the model the weights are of, and its data")
    config = data.settle(rsf.get_config(shared.CONFIG.value).replace(**shared.overrides()))
    folder = writable_folder(opening.workdir())
    count = imports.import_weights(_WEIGHTS.value, config, folder)
    print(f"{count:,} parameters of {_WEIGHTS.value} are the checkpoint of update 0 in {folder}")
    print(as_called(f"Next: python launch/evaluate.py --workdir={folder}"))
