"""Models for live video on two cores, and what they are compared with.

Each model is trained, tested on its own task, and then by `live_test`: a still camera, and live
streams under many policies. Stateless models, which see every frame for the first time, are what a
state has to beat, each trained for as many steps as it is tested with.
"""

from typing import Any

from reproduction.plan import Job
from reproduction.two_cores import Stage, job_of
from rsf_jax.evaluation.live_settings import Settings

# Policies are chosen on validation videos, without noise, and tested with it, too.
_TESTS = Settings(noise=(0.0,), repeats=0, split="validation"), Settings(noise=(0.0, 0.05, 0.1))
_OF_TRIES = (Settings(kinds=("schedules", "gate", "gate and halting"), split="validation"),)


def _stateless(steps: int) -> Stage:
    name = f"quickstart_s{steps}f{steps}_stateless"
    # The network of `quickstart_live`; three passes, of six and eight steps as much computing.
    return Stage(name.replace("quickstart", "quickstart16"), name, 4410, changes={"channels": 16})


STATELESS = tuple(map(_stateless, (1, 3, 6, 8)))
SMALL = (
    Stage("quickstart_live16", "quickstart_live", 15000),
    *STATELESS,
)
LARGE = (
    Stage("easy72_live", "easy72_live", 5000, "quickstart_live16"),
    Stage("hard72_live", "hard72_live", 4000, "easy72_live"),
)


# What of the recipe matters: each changes what its name says of the preset.
_TRY = 5000
_FIRST = "quickstart16"
_MIXED = "s3f1,s6f1,s6f2,s8f3"


def _try(change: str, begins: str = "", **changes: Any) -> Stage:
    return Stage(f"live_try_{change}", "quickstart_live", _TRY, begins, changes=changes)


TRIES = (
    _try("none"),
    _try("shorter", stream_frames=128),
    _try("schedules", schedules=_MIXED),
    _try("penalty", gradient="c_bptt"),
    _try("half_noise", noise=0.04),
    _try("no_noise", noise=0.0),
    _try("one_chunk", stream_frames=8),
    _try("drop", drop=0.1),
    # Streams of one video each: does it still let go of a state at a cut? And if none of them is?
    _try("no_cuts", cuts=0.0),
    _try("all_cut", cuts=0.05, cut_streams=1.0),
    _try("no_cuts_no_noise", cuts=0.0, noise=0.0),
    Stage(_FIRST, "quickstart", 4410, changes={"channels": 16}),
    _try("finetuned", _FIRST),
)


def tries(seed: int) -> list[Job]:
    """Returns runs of `quickstart_live` with one setting changed in each, tested on live streams.

    Args:
        seed: of every one.
    """
    return [job_of(stage, seed, _OF_TRIES) for stage in TRIES]


def jobs(seed: int) -> list[Job]:
    """Returns all stages, in the order in which they are run; with other seeds the small task's.

    Args:
        seed: of every one.
    """
    stages = (*SMALL, *LARGE) if seed == 0 else SMALL
    return [job_of(stage, seed, _TESTS) for stage in stages]
