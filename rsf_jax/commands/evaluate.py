"""Tests a trained model: python launch/evaluate.py --workdir=runs/hard_s8f8 --policy=s8f2.

With --sweep, tests it under many policies: schedules, and halting at many thresholds.
"""

from pathlib import Path

from absl import flags

import rsf_jax as rsf
from rsf_jax import calibration
from rsf_jax.commands import choices, opening
from rsf_jax.run_folder import writable_folder

_POLICY = choices.policy_or_calibrated()
_SWEEP = flags.DEFINE_boolean("sweep", False, "test many policies, or those of --policies")
_POLICIES = choices.policy_list("policies of the sweep")
_VIDEOS = choices.videos("test videos of the sweep")
_INPUTS = choices.inputs(
    "of a policy that was calibrated on clips: other video, to check the guarantee"
)
_CHECKPOINT = choices.checkpoint()
_OUTPUT = flags.DEFINE_string(
    "output", None, "folder for the results; --workdir unless given, which is then only read"
)


def main() -> None:
    from rsf_jax.data.dataset import open_dataset
    from rsf_jax.evaluation import sweep as tradeoff
    from rsf_jax.evaluation import testing as evaluation

    _check_flags()
    chosen = [rsf.parse_policy(text) for text in _POLICIES.value] or None  # the usual ones
    calibrated = _POLICY.value == choices.CALIBRATED
    policy = choices.parsed(_POLICY.value)
    trained, workdir = opening.open_trained(_CHECKPOINT.value)
    found = calibration.load_calibration(workdir, trained) if calibrated else None
    if found and _INPUTS():
        calibration.print_guarantee(calibration.compare_on(trained, _INPUTS(), found))
        return
    folder = writable_folder(Path(_OUTPUT.value or workdir))
    dataset = open_dataset(trained.config)
    if _SWEEP.value:
        tradeoff.print_sweep(tradeoff.sweep(trained, dataset, folder, chosen, _VIDEOS.value))
    elif found:
        calibration.print_check(calibration.check(trained, dataset, folder, found))
    else:
        evaluation.print_results(evaluation.evaluate(trained, dataset, folder, policy))
    print(f"Results and pictures are in {folder}")


def _check_flags() -> None:
    """A flag that would do nothing is a mistake."""
    if _SWEEP.value and _POLICY.value:
        raise rsf.InputError("--policy is not used with --sweep: give --policies")
    if _INPUTS() and _POLICY.value != choices.CALIBRATED:
        raise rsf.InputError("--inputs is used with --policy=calibrated alone: add that")
    for flag in (_POLICIES, _VIDEOS):
        if flag.value and not _SWEEP.value:
            raise rsf.InputError(f"--{flag.name} is used with --sweep alone: add that")
