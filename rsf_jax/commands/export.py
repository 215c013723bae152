"""Writes a trained model as a program that runs without this library.

python launch/export.py --pretrained=quickstart_live16 --policy=gate:0.0023:0.046+s3f1

The folder has the program (StableHLO or ONNX, weights inside), what it takes and gives
(manifest.json), the state before the first frame, and a program that runs it with JAX or ONNX
Runtime alone (run.py).
"""

import dataclasses
from pathlib import Path

from absl import flags

import rsf_jax as rsf
from rsf_jax.commands import choices, opening, shared

_FOLDER = flags.DEFINE_string("folder", None, "for all files; programs/NAME unless given")
_POLICY = choices.policy_or_calibrated()
_SIZE = choices.frame_size("resized to those of training")
_BATCH = flags.DEFINE_integer("batch", 1, "videos run together; 0 for any number", 0)
_FORMAT = flags.DEFINE_enum("format", "stablehlo", ["stablehlo", "onnx"], "of the program")
_WEIGHTS = flags.DEFINE_enum(
    "weights", "float32", ["float32", "bfloat16", "int8"], "as what weights are stored"
)
_PLATFORMS = flags.DEFINE_list(
    "platforms", ["cpu", "cuda", "tpu"], "kinds of devices, for StableHLO"
)
_CHECK = flags.DEFINE_integer(
    "check_frames", 20, "random frames on which it is compared with the library; 0 for none", 0
)
_TEST = flags.DEFINE_boolean(
    "test", False, "score it on test videos and live streams, beside weights in full"
)


def main() -> None:
    from rsf_jax import programs

    trained, workdir = opening.open_trained()
    policy = choices.chosen(_POLICY.value, trained, workdir)
    name = trained.card.name if trained.card else trained.config.name
    given = shared.frame_size(_SIZE.value) if _SIZE.value else None
    shape = trained.appearance.frame_shape(given, "frame_size")
    folder = programs.export_program(
        trained,
        policy,
        Path(_FOLDER.value or Path("programs", name)),
        format=_FORMAT.value,
        weights=_WEIGHTS.value,
        frame_shape=shape,
        batch=_BATCH.value,
        platforms=_PLATFORMS.value,
    )
    print(f"The program is in {folder}; python {folder / 'run.py'} frames.npy masks.npy runs it")
    print(f"Its weights are stored as {_WEIGHTS.value}: {_kilobytes(folder)} kB in all")
    if _CHECK.value and _BATCH.value < 2:
        _compare(folder, trained, policy, shape)
    if _TEST.value:
        _score(folder, trained, policy)


def _compare(
    folder: Path, trained: "rsf.Trained", policy: "rsf.StepPolicy", shape: tuple[int, int]
) -> None:
    import numpy as np

    from rsf_jax import programs

    size = (_CHECK.value, *shape, trained.config.input_channels)
    frames = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    rounded = programs.rounded(trained.variables, _WEIGHTS.value)
    found = programs.compare(
        folder, dataclasses.replace(trained, variables=rounded), policy, frames
    )
    print(
        f"On {found.frames} random frames its logits differ from the library's, with the same "
        f"weights, by {found.difference:.1g} at most, and {found.other_steps} frames took other "
        "steps"
    )


def _score(folder: Path, trained: "rsf.Trained", policy: "rsf.StepPolicy") -> None:
    from rsf_jax.data.dataset import open_dataset
    from rsf_jax.programs.scores import print_scores, scores, write_scores

    dataset = open_dataset(trained.config)
    kinds = dict.fromkeys(("float32", _WEIGHTS.value))
    found = [scores(trained, policy, dataset, kind) for kind in kinds]
    print_scores(found)
    write_scores(folder, found)


def _kilobytes(folder: Path) -> int:
    """Of the files that a program needs: without its state's."""
    return sum(path.stat().st_size for path in folder.glob("program.*")) // 1000
