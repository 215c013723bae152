"""The paper's rows on two cores: few networks trained from nothing, the others begun from them.

The paper trains every row for 100 epochs at 128x128 pixels. Here a network learns in windows of
64x64, where a recurrent step costs a quarter, goes on for a while at 128x128, and lends its weights
to the rows next to it. What each run began with is in its record, and on the page of results.
"""

import dataclasses
from typing import Any

from rsf_jax.presets import get_config
from rsf_jax.reproduction import paper
from rsf_jax.reproduction.plan import Job


@dataclasses.dataclass(frozen=True)
class Stage:
    """One run.

    Attributes:
        name: of the run's folder and its record.
        preset: what is trained.
        updates: how many.
        begins: name of the stage whose weights it begins with; none trains from nothing.
        policies: to test it with, beside its own schedule and what the paper does.
        changes: other settings that are not the preset's.
    """

    name: str
    preset: str
    updates: int
    begins: str = ""
    policies: tuple[str, ...] = ()
    changes: dict[str, Any] = dataclasses.field(default_factory=dict)


# Of what begins with trained weights, at 128x128: the quickstart's optimizer, at smaller rates.
_TUNING = {
    "batch_size": 8,
    "learning_rate": 1e-3,
    "lr_schedule": "cosine",
    "warmup_steps": 50,
    "clip_norm": 0.01,
    "validation_share": 0.0125,
    "validate_every": 250,
    "eval_batch_size": 20,
}

STAGES = (
    Stage("easy64_s6f1", "easy64_s6f1", 5000),
    Stage(
        "easy_s6f1", "easy_s6f1", 1000, "easy64_s6f1", policies=("s6f2", "s6f6"), changes=_TUNING
    ),
)


def jobs(seed: int) -> list[Job]:
    """Returns all stages, in the order in which they are run.

    Args:
        seed: of every one.
    """
    return [_job(stage, seed) for stage in STAGES]


def _job(stage: Stage, seed: int) -> Job:
    settings = {"updates": stage.updates, "seed": seed, "save_every": 50, **stage.changes}
    config = get_config(stage.preset).replace(**settings)
    policies = dict.fromkeys([*paper.policies(stage.preset), *stage.policies])
    begins = f"{stage.begins}-seed{seed}" if stage.begins else ""
    return Job(config, tuple(policies), f"{stage.name}-seed{seed}", begins)
