"""Networks that differ in how they were trained to spend steps, compared on equal terms.

One cell on the same data: schedules that are learned through time, one model for every schedule,
equilibrium models with and without a state between frames, a head that is trained to halt, and what
was trained on long streams. Each is tested by `compare_on_equal_terms`.
"""

from typing import Any

from reproduction.plan import Job
from reproduction.two_cores import Stage, job_of
from rsf_jax.evaluation.equal_terms import Settings

_TERMS = Settings(videos=100, streams=8)
_UPDATES = 1470  # the quickstart's own: one pass over its videos


def _quickstart(model: str, **changes: Any) -> Stage:
    name = f"quickstart_{model}"
    return Stage(f"terms_{name}", name, _UPDATES, changes={"channels": 16, **changes})


STAGES = (
    _quickstart("s3f3"),
    _quickstart("s3f1"),
    _quickstart("mixed3"),
    _quickstart("deq"),
    _quickstart("streamdeq"),
    _quickstart("ponder12"),
    # That of the plan `live`, with more updates of fewer frames; tested, not trained again.
    Stage("quickstart_live16", "quickstart_live", 15000),
)


def jobs(seed: int) -> list[Job]:
    """Returns all stages, in the order in which they are run.

    Args:
        seed: of every one.
    """
    return [job_of(stage, seed, terms=_TERMS) for stage in STAGES]
