"""A calibrated policy as it lies beside the checkpoints."""

import json
from pathlib import Path
from typing import Any

from rsf_jax.calibration.kinds import VIDEOS
from rsf_jax.calibration.target import Target
from rsf_jax.errors import InputError
from rsf_jax.policies import check_registered, read_policy
from rsf_jax.run_folder import RunFolder
from rsf_jax.trained.model import Trained

FILE = "policy.json"


def load_calibration(workdir: str | Path, trained: Trained) -> dict[str, Any]:
    """Returns what `calibrate` wrote for this model.

    Raises:
        InputError: if there is nothing, it cannot be read, or is for another checkpoint or dataset.
    """
    path = RunFolder(workdir).policy
    if not path.exists():
        raise InputError(f"{workdir} has no calibrated policy: calibrate one first")
    try:
        results = dict(json.loads(path.read_text()))
        unregistered = _unregistered(results)
        if not unregistered:
            read_policy(results), read_policy(results, "reference")
        Target(**results["target"])
        made_for = {"update": results["update"], "dataset": results["dataset"]}
        # Files of before did not say it: they were made as the model was trained.
        made_for["stateful"] = results.get("stateful", trained.saved.stateful)
        # Streams and clips may be of another dataset, or of none.
        if dict(results.get("units") or {"kind": VIDEOS})["kind"] != VIDEOS:
            del made_for["dataset"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}): calibrate anew") from error
    if unregistered:
        raise InputError(f"{path}: {unregistered}")
    if not trained.is_of_these_weights(results):
        raise InputError(f"{path} was made for other weights: calibrate anew")
    here = {
        "update": trained.update,
        "dataset": trained.config.dataset,
        "stateful": trained.config.stateful,
    }
    for name, value in made_for.items():
        if value != here[name]:
            raise InputError(
                f"{path} was made for {name} {value}, this is {here[name]}: calibrate anew"
            )
    return results


def _unregistered(results: Any) -> str:
    """What is said of a user's policy or metric that is not there: the file is not damaged."""
    try:
        for key in ("policy", "reference"):
            check_registered(results, key)
    except InputError as error:
        return str(error)
    return ""
