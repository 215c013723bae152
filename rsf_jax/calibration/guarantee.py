"""A calibrated policy and its guarantee, on the test videos."""

from pathlib import Path
from typing import Any

import numpy as np

from rsf_jax.calibration.target import Target, video_scorer
from rsf_jax.data.dataset import Dataset
from rsf_jax.evaluation.testing import evaluate, print_results
from rsf_jax.policies import read_policy
from rsf_jax.trained.model import Trained


def check(
    trained: Trained, dataset: Dataset, workdir: Path, results: dict[str, Any]
) -> dict[str, Any]:
    """Tests a calibrated policy, and compares its guarantee with the test videos.

    Args:
        trained: the model.
        dataset: an open dataset.
        workdir: folder for what `evaluation.evaluate` writes.
        results: what `load_calibration` returned.

    Returns:
        What `evaluate` returned, and under "guarantee" the mean of what was guaranteed on the test
        videos, with its standard error.
    """
    target, score = Target(**results["target"]), video_scorer(trained)
    policy, reference = read_policy(results), read_policy(results, "reference")
    losses = target.losses(score(policy, dataset.test), score(reference, dataset.test))
    return {
        **evaluate(trained, dataset, workdir, policy),
        "guarantee": {
            "words": str(target),
            "reference": results["reference"],
            "limit": target.limit,
            "measured": float(losses.mean()),
            "standard_error": float(losses.std() / np.sqrt(len(losses))),
        },
    }


def print_check(results: dict[str, Any]) -> None:
    """Prints a test and what became of the guarantee."""
    print_results(results)
    guarantee = results["guarantee"]
    kept = "kept" if guarantee["measured"] <= guarantee["limit"] else "not kept on these videos"
    print(
        f"Guaranteed: {guarantee['words']} (reference {guarantee['reference']}). Test videos: "
        f"{guarantee['measured']:.4f} +- {guarantee['standard_error']:.4f}, {kept}"
    )
