"""Writes a trained model as a program that runs without this library.

python launch/export.py --pretrained=quickstart_live16 --policy=gate:0.0023:0.046+s3f1

The folder has the program (StableHLO, weights inside), what it takes and gives (manifest.json), the
state before the first frame, and a program that runs it with JAX alone (run.py).
"""

from pathlib import Path

from absl import flags

import rsf_jax as rsf
from rsf_jax.commands import choices, opening, shared
from rsf_jax.run_folder import writable_folder

_FOLDER = flags.DEFINE_string("folder", None, "for all files; programs/NAME unless given")
_POLICY = choices.policy_or_calibrated()
_SIZE = choices.frame_size("resized to those of training")
_BATCH = flags.DEFINE_integer("batch", 1, "videos run together; 0 for any number", 0)
_PLATFORMS = flags.DEFINE_list("platforms", ["cpu", "cuda", "tpu"], "kinds of devices")
_CHECK = flags.DEFINE_integer(
    "check_frames", 20, "random frames on which it is compared with the library; 0 for none", 0
)


def main() -> None:
    import numpy as np

    from rsf_jax import programs

    trained, workdir = opening.open_trained()
    policy = choices.chosen(_POLICY.value, trained, workdir)
    name = trained.card.name if trained.card else trained.config.name
    shape = shared.frame_size(_SIZE.value) if _SIZE.value else trained.appearance.frame_size
    if shape is None:
        raise rsf.InputError("the frame size of training is not known: give frame_size")
    folder = programs.export_program(
        trained,
        policy,
        writable_folder(Path(_FOLDER.value or Path("programs", name))),
        frame_shape=shape,
        batch=_BATCH.value,
        platforms=_PLATFORMS.value,
    )
    print(f"The program is in {folder}; python {folder / 'run.py'} frames.npy masks.npy runs it")
    if _CHECK.value and _BATCH.value < 2:
        size = (_CHECK.value, *shape, trained.config.input_channels)
        frames = np.random.default_rng(0).integers(0, 256, size, np.uint8)
        found = programs.compare(folder, trained, policy, frames)
        print(
            f"On {found.frames} random frames its logits differ from the library's by "
            f"{found.difference:.1g} at most, and {found.other_steps} frames took other steps"
        )
