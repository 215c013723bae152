"""Chooses a step policy with a guarantee.

python launch/calibrate.py --workdir=runs/hard_s8f8 --max_miou_drop=0.01
python launch/evaluate.py --workdir=runs/hard_s8f8 --policy=calibrated

Without labels, on live streams, or on video of one's own:

python launch/calibrate.py --workdir=runs/hard_s8f8 --max_disagreement=0.02 --streams
python launch/calibrate.py --workdir=runs/hard_s8f8 --max_disagreement=0.02 --inputs=a.mp4,b.mp4
"""

from absl import flags

import rsf_jax as rsf
from rsf_jax import calibration
from rsf_jax.calibration import candidates
from rsf_jax.commands import choices, opening, shared
from rsf_jax.run_folder import writable_folder

_DROP = flags.DEFINE_float(
    "max_miou_drop", None, "take the fewest steps with a mIoU at most this much below --reference"
)
_DISAGREEMENT = flags.DEFINE_float(
    "max_disagreement",
    None,
    "take the fewest steps that disagree with --reference at most so much (1 less the IoU of what "
    "both make of a frame); needs no labels",
)
_STEPS = flags.DEFINE_float(
    "mean_steps", None, "take the highest mIoU with at most so many recurrent steps per frame"
)
_CONFIDENCE = choices.confidence()
_REFERENCE = flags.DEFINE_string(
    "reference",
    None,
    "policy that a drop or disagreement is measured against; the schedule of training if none, on "
    "streams and clips behind a gate that skips only what stands still",
)
_KIND = flags.DEFINE_enum(
    "candidates", "all", list(candidates.KINDS), "kind of policies to choose from"
)
_POLICIES = choices.policy_list("candidates of your own")
_GATE = flags.DEFINE_string(
    "gate", candidates.GATE, "the gate of candidates and reference that are not given"
)
_STREAMS = flags.DEFINE_boolean(
    "streams", False, "calibrate on live streams: the dataset's, or composed of its videos"
)
_INPUTS = choices.inputs(
    "calibrate on clips of these: video files, folders of images, stream addresses, cameras"
)
_LENGTH = flags.DEFINE_integer(
    "length", 0, "frames of a stream or clip; 0 for 60, or all of a dataset's streams", 0
)
_GAP = flags.DEFINE_integer("gap", 0, "frames of --inputs passed over between two clips", 0)
_SIZE = choices.frame_size("those of --inputs are resized to those of training")
_VIDEOS = choices.videos("calibration videos or streams, or clips of each of --inputs")
_RESPLITS = flags.DEFINE_integer(
    "resplits", 0, "try the guarantee on so many random divisions of held-out videos", lower_bound=0
)
_CHECKPOINT = choices.checkpoint()


def main() -> None:
    target = _target()
    _check_flags()
    policies = [rsf.parse_policy(text) for text in _POLICIES.value]
    reference = choices.parsed(_REFERENCE.value)
    trained, folder = opening.open_trained(_CHECKPOINT.value)
    units = _units(trained)
    folder = writable_folder(folder)
    reference = reference or candidates.default_reference(trained, units.kind, _GATE.value)
    results = calibration.calibrate(
        trained,
        units,
        folder,
        target,
        reference=reference,
        policies=policies or _candidates(trained, units, reference),
        videos=0 if _INPUTS() else _VIDEOS.value,
    )
    calibration.print_calibration(results)
    if _RESPLITS.value:
        print(calibration.resplit(trained, units, folder, results, _RESPLITS.value))
    print(f"The policy is in {folder / calibration.FILE}; test it with --policy=calibrated")


def _check_flags() -> None:
    """A flag that would do nothing is a mistake."""
    if _INPUTS() and _STREAMS.value:
        raise rsf.InputError("--streams is not used with --inputs: their clips are streams")
    if _LENGTH.value and not (_INPUTS() or _STREAMS.value):
        raise rsf.InputError("--length is used with --streams or --inputs: add one of them")
    for flag in (_GAP, _SIZE):
        if flag.value and not _INPUTS():
            raise rsf.InputError(f"--{flag.name} is used with --inputs alone: add that")
    if _POLICIES.value and _KIND.present:
        raise rsf.InputError("--candidates is not used with --policies: these are the candidates")
    if _POLICIES.value and _REFERENCE.value and _GATE.present:
        raise rsf.InputError("--gate is not used with --policies and --reference: give it in these")


def _units(trained: "rsf.Trained") -> "calibration.Units":
    """What is calibrated on; what is wrong is said before anything is opened."""
    if _INPUTS():
        return calibration.clips_of(
            trained,
            _INPUTS(),
            _LENGTH.value or calibration.LENGTH,
            gap=_GAP.value,
            count=_VIDEOS.value,
            frame_size=shared.frame_size(_SIZE.value) if _SIZE.value else None,
        )
    from rsf_jax.data.dataset import open_dataset

    calibration.check_data(trained, but=("dataset",) if _STREAMS.value else ())
    dataset = open_dataset(trained.config)
    if _STREAMS.value:
        return calibration.streams_of(trained, dataset, _LENGTH.value)
    return calibration.as_units(trained, dataset)


def _candidates(
    trained: "rsf.Trained", units: "calibration.Units", reference: rsf.StepPolicy
) -> list[rsf.StepPolicy]:
    return candidates.default_candidates(
        trained.config, units.kind, reference, _GATE.value, _KIND.value
    )


def _target() -> "calibration.Target":
    given = {
        "miou_drop": _DROP.value,
        "disagreement": _DISAGREEMENT.value,
        "steps": _STEPS.value,
    }
    limits = {quantity: limit for quantity, limit in given.items() if limit is not None}
    if len(limits) != 1:
        raise rsf.InputError(
            "give --max_miou_drop=0.01, --max_disagreement=0.02 or --mean_steps=4, one of them"
        )
    ((quantity, limit),) = limits.items()
    return calibration.Target(quantity, limit, _CONFIDENCE.value)
