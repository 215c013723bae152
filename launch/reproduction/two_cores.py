"""The paper's rows on two cores: few networks trained from nothing, the others begun from them.

The paper trains every row for 100 epochs at 128x128 pixels. Here a network learns in windows of
64x64, where a recurrent step costs a quarter, goes on for a while at 128x128, and lends its weights
to the rows next to it. What each run began with is in its record, and on the page of results.
"""

import dataclasses
from typing import Any

from reproduction import paper
from reproduction.plan import Job
from rsf_jax.config.presets import get_config
from rsf_jax.evaluation.equal_terms import Settings as Terms
from rsf_jax.evaluation.extrapolation import Settings as Sizes
from rsf_jax.evaluation.live_settings import Settings


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


# At 128x128, with trained weights: the optimizer of the small windows, at a smaller rate.
_LARGE = {
    "batch_size": 8,
    "learning_rate": 1e-3,
    "lr_schedule": "cosine",
    "warmup_steps": 50,
    "clip_norm": 0.01,
    "validation_share": 0.0125,
    "validate_every": 250,
    "eval_batch_size": 20,
}
# In small windows, with trained weights.
_NEXT = {"learning_rate": 2e-3}

# Other rows of the paper, on weights of the first: 64x64 for a while, then 128x128.
_EASY = ("s6f6", "s4f4", "s2f2", "s1f1", "s6f6_stateless", "s4f4_stateless", "s6f1_stateless")
_HARD = ("s8f8", "s8f2", "s8f1", "s8f4", "s6f6", "s4f4", "s3f3", "s8f8_stateless", "s3f3_stateless")

_OTHERS = (
    *("easy_ffres6", "hard_ff8", "hard_ffres8", "hard_s8f2_clstm", "hard_s8f8_clstm"),
    *("hard_conv3ds", "hard_conv3dm"),
)


def _row(task: str, row: str, begins: str) -> tuple[Stage, Stage]:
    """A row whose network begins with another's weights."""
    small, large = f"{task}64_{row}", f"{task}_{row}"
    return (
        Stage(small, small, 1500, begins, changes=_NEXT),
        Stage(large, large, 250, small, changes=_LARGE),
    )


def _alone(network: str) -> tuple[Stage, Stage]:
    """A row that shares its network with none before it."""
    task, _, model = network.partition("_")
    small = f"{task}64_{model}"
    return Stage(small, small, 4000), Stage(network, network, 250, small, changes=_LARGE)


def _stateless_ruler(row: str) -> tuple[Stage, Stage]:
    """A network by which the pitch is measured, at 5 pixels from dash to dash and at 6."""
    at6 = {"dataset": "t_pathfinder/easy72"}
    preset = f"easy64_{row}_stateless"
    return (
        Stage(preset, preset, 2000),
        Stage(f"pitch6_{row}_stateless", preset, 2000, changes=at6),
    )


STAGES = (
    Stage("easy64_s6f1", "easy64_s6f1", 5000),
    Stage("easy_s6f1", "easy_s6f1", 500, "easy64_s6f1", changes=_LARGE),
    *_stateless_ruler("s1f1"),
    *_stateless_ruler("s2f2"),
    Stage("hard64_s6f1", "hard64_s6f1", 5000, "easy64_s6f1", changes=_NEXT),
    Stage("hard64_mixed8", "hard64_mixed8", 10000, "hard64_s6f1", changes=_NEXT),
    Stage("hard_mixed8", "hard_mixed8", 750, "hard64_mixed8", ("s8f2",), changes=_LARGE),
    *(stage for row in _EASY for stage in _row("easy", row, "easy64_s6f1")),
    *(
        Stage(f"easy_{row}", f"easy_{row}", 250, f"easy64_{row}", changes=_LARGE)
        for row in ("s1f1_stateless", "s2f2_stateless")
    ),
    *(stage for row in _HARD for stage in _row("hard", row, "hard64_mixed8")),
    *(stage for network in _OTHERS for stage in _alone(network)),
)


def jobs(seed: int) -> list[Job]:
    """Returns all stages, in the order in which they are run.

    Args:
        seed: of every one.
    """
    return [job_of(stage, seed) for stage in STAGES]


def job_of(
    stage: Stage,
    seed: int,
    live: tuple[Settings, ...] = (),
    terms: Terms | None = None,
    sizes: Sizes | None = None,
) -> Job:
    """Returns what a stage runs.

    Args:
        stage: the stage.
        seed: of it, and of the stage that it begins with.
        live: tests of it on live streams.
        terms: what rules of halting are compared on with it.
        sizes: larger problems that it is tested on with more steps.
    """
    settings = {"updates": stage.updates, "seed": seed, "save_every": 50, **stage.changes}
    config = get_config(stage.preset).replace(**settings)
    policies = dict.fromkeys([*paper.policies(stage.preset), *stage.policies])
    begins = f"{stage.begins}-seed{seed}" if stage.begins else ""
    return Job(config, tuple(policies), f"{stage.name}-seed{seed}", begins, live, terms, sizes)
