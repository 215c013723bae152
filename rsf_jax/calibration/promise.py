"""A calibrated policy and its promise, on the test videos."""

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
    """Tests a calibrated policy, and compares its promise with the test videos.

    Args:
        trained: the model.
        dataset: an open dataset.
        workdir: folder for what `evaluation.evaluate` writes.
        results: what `load_calibration` returned.

    Returns:
        What `evaluate` returned, and under "promise" the mean of what was promised on the test
        videos, with its standard error.
    """
    target, score = Target(**results["target"]), video_scorer(trained)
    policy, reference = read_policy(results), read_policy(results, "reference")
    losses = target.losses(score(policy, dataset.test), score(reference, dataset.test))
    return {
        **evaluate(trained, dataset, workdir, policy),
        "promise": {
            "words": str(target),
            "reference": results["reference"],
            "limit": target.limit,
            "measured": float(losses.mean()),
            "standard_error": float(losses.std() / np.sqrt(len(losses))),
        },
    }


def print_check(results: dict[str, Any]) -> None:
    """Prints a test and what became of the promise."""
    print_results(results)
    promise = results["promise"]
    kept = "kept" if promise["measured"] <= promise["limit"] else "not kept on these videos"
    print(
        f"Promised: {promise['words']} (reference {promise['reference']}). Test videos: "
        f"{promise['measured']:.4f} +- {promise['standard_error']:.4f}, {kept}"
    )
