"""A calibrated policy and its guarantee, on test videos."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grain

from rsf_jax.calibration.clips import clips_to_test
from rsf_jax.calibration.judge import scorer_for
from rsf_jax.calibration.kinds import CLIPS, VIDEOS
from rsf_jax.calibration.target import Target
from rsf_jax.calibration.units import units_to_test
from rsf_jax.data.dataset import Dataset, check_dataset
from rsf_jax.errors import InputError
from rsf_jax.evaluation.testing import evaluate, print_results
from rsf_jax.measures.paired import standard_error
from rsf_jax.policies import read_policy
from rsf_jax.run_folder import writable_folder
from rsf_jax.trained.model import Trained


def check(
    trained: Trained, dataset: Dataset, workdir: str | Path, results: dict[str, Any]
) -> dict[str, Any]:
    """Tests a calibrated policy, and compares its guarantee with the test videos.

    Of a policy that was calibrated on streams the guarantee is compared with streams of them.

    Args:
        trained: the model.
        dataset: an open dataset.
        workdir: folder for what `evaluation.evaluate` writes.
        results: what `load_calibration` returned.

    Returns:
        What `evaluate` returned, and under "guarantee" what `compare` returns.

    Raises:
        InputError: if the policy was calibrated on another dataset, or on clips of one's own video.
    """
    check_dataset(dataset, trained.config)
    made, name = _units(results), trained.config.dataset
    if made["kind"] != CLIPS and results["dataset"] != name:
        raise InputError(
            f"this policy was calibrated on {made['kind']} of {results['dataset']}, the dataset "
            f"is {name}: give config.dataset={results['dataset']}"
        )
    test = units_to_test(dataset, made)
    workdir = writable_folder(workdir)
    guarantee = compare(trained, test, results)
    return {
        **evaluate(trained, dataset, workdir, read_policy(results)),
        "guarantee": guarantee,
    }


def compare(trained: Trained, test: grain.MapDataset, results: dict[str, Any]) -> dict[str, Any]:
    """Compares a guarantee with videos that the calibration has not seen.

    Args:
        trained: the model.
        test: videos, streams or clips, as those of the calibration were.
        results: what `load_calibration` returned.

    Returns:
        The mean of what was guaranteed on them, with its standard error; NaN of a single one.
    """
    target, kind = Target(**results["target"]), _units(results)["kind"]
    policy, reference = read_policy(results), read_policy(results, "reference")
    score = scorer_for(trained, target, kind, reference)
    losses = target.losses(score(policy, test), score(reference, test))
    return {
        "words": target.words(kind),
        "units": kind,
        "count": len(losses),
        "reference": results["reference"],
        "limit": target.limit,
        "measured": float(losses.mean()),
        "standard_error": standard_error(losses),
    }


def compare_on(
    trained: Trained, inputs: Sequence[str | Path], results: dict[str, Any], count: int = 0
) -> dict[str, Any]:
    """Compares the guarantee of a policy that was calibrated on clips with those of other videos.

    Args:
        trained: the model.
        inputs: as `clips.clips_of` takes them.
        results: what `load_calibration` returned.
        count: the most clips of each input; 0 for all.

    Returns:
        What `compare` returns.

    Raises:
        InputError: if the policy was not calibrated on clips, or as `clips.clips_of`.
    """
    return compare(trained, clips_to_test(trained, inputs, _units(results), count), results)


def print_check(results: dict[str, Any]) -> None:
    """Prints a test and what became of the guarantee."""
    print_results(results)
    print_guarantee(results["guarantee"])


def print_guarantee(guarantee: dict[str, Any]) -> None:
    """Prints what `compare` has returned."""
    kind = guarantee["units"]
    error = guarantee["standard_error"]
    kept = "kept" if guarantee["measured"] <= guarantee["limit"] else f"not kept on these {kind}"
    print(
        f"Guaranteed: {guarantee['words']} (reference {guarantee['reference']}). "
        f"{guarantee['count']} test {kind}: {guarantee['measured']:.4f}"
        f"{'' if math.isnan(error) else f' +- {error:.4f}'}, {kept}"
    )


def _units(results: dict[str, Any]) -> dict[str, Any]:
    """How the units were made; earlier versions knew videos alone."""
    return results.get("units") or {"kind": VIDEOS}
