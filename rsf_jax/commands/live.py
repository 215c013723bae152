"""Tests a model on live streams: python launch/live.py --workdir=runs/quickstart_live.

A still camera, whose frame is shown again and again; and streams of test videos with pauses, frames
that are left out, and cuts, under many policies, split by what happens.
"""

from functools import partial

from absl import flags

import rsf_jax as rsf
from rsf_jax.commands import choices, opening
from rsf_jax.evaluation.live_settings import LENGTH, REPEATS, STREAMS, Settings
from rsf_jax.evaluation.usual_policies import GATE
from rsf_jax.run_folder import writable_folder

_POLICIES = choices.policy_list("policies to test; many with and without a gate, unless given")
_STILL = flags.DEFINE_list("still_policies", [], "for the still camera; that of training if none")
_NOISE = flags.DEFINE_list("noise", ["0", "0.05"], "standard deviations of noise; white is 1")
_GATE = flags.DEFINE_string("gate", GATE, "the gate of policies that are not given")
_STREAMS = flags.DEFINE_integer("streams", STREAMS, "live streams", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", LENGTH, "frames of each", lower_bound=1)
_REPEATS = flags.DEFINE_integer(
    "repeats", REPEATS, "how often the still camera's frame is shown; 0: none", lower_bound=0
)
_SPLIT = flags.DEFINE_enum("split", "test", ["test", "validation"], "whose videos are shown")
_SEED = flags.DEFINE_integer("seed", 0, "of the streams", lower_bound=0)
_CHECKPOINT = choices.checkpoint()


def main() -> None:
    from rsf_jax.data.dataset import open_dataset
    from rsf_jax.evaluation import live_test as live

    settings = Settings(
        policies=tuple(map(rsf.parse_policy, _POLICIES.value)),
        still_policies=tuple(map(rsf.parse_policy, _STILL.value)),
        gate=_GATE.value,
        noise=tuple(map(_noise, _NOISE.value)),
        streams=_STREAMS.value,
        frames=_FRAMES.value,
        repeats=_REPEATS.value,
        split=_SPLIT.value,
        seed=_SEED.value,
    )
    trained, folder = opening.open_trained(_CHECKPOINT.value)
    folder = writable_folder(folder)
    dataset = open_dataset(trained.config)
    found = live.live_test(trained, dataset, folder, settings, partial(print, flush=True))
    live.print_live(found)
    print(f"Numbers (live*.json) and pictures are in {folder}")


def _noise(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise rsf.InputError(f"noise {text!r} must be a number from 0 to 1")
    return value
