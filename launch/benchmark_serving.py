"""Measures a server under load on this machine, beside its engine alone.

python launch/benchmark_serving.py --pretrained=quickstart_live16 --streams=64 --seconds=60
"""

import dataclasses
import tempfile
from pathlib import Path

from absl import flags
from benchmarks import serving

import rsf_jax as rsf
from rsf_jax import policies
from rsf_jax.commands import opening, program, shared
from rsf_jax.json_files import write_json

_POLICY = flags.DEFINE_string("policy", "pattern:rtol=0.1:12", policies.GRAMMAR)
_SLOTS = flags.DEFINE_integer("slots", 8, "frames computed together", lower_bound=1)
_STREAMS = flags.DEFINE_integer("streams", 64, "connections that send frames", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 10.0, "for which frames are sent", lower_bound=0.1)
_FRAMES = 32  # different ones


def main() -> None:
    trained, workdir = opening.open_trained()
    policy, size = rsf.parse_policy(_POLICY.value), trained.appearance.frame_size
    if size is None:
        raise rsf.InputError("the frame size of training is not known: it is needed here")
    frames = serving.noise(_FRAMES, (*size, trained.config.input_channels))
    settings = (_SLOTS.value, _STREAMS.value)
    alone = serving.engine_alone(trained, policy, frames, *settings, _SECONDS.value)
    given = [f"--{f.name}={f.value}" for f in (shared.PRETRAINED, shared.CONFIG) if f.value]
    given += [f"--workdir={workdir}", f"--policy={_POLICY.value}", f"--slots={_SLOTS.value}"]
    with tempfile.TemporaryDirectory() as folder:
        server = serving.Server([*given, f"--max_streams={_STREAMS.value}"], Path(folder))
        try:
            load = serving.under_load(server.address, frames, _STREAMS.value, _SECONDS.value)
        finally:
            server.stop()
    print(serving.report(load, alone))
    path = workdir / "serving.json"
    write_json(path, {"server": dataclasses.asdict(load), "engine": dataclasses.asdict(alone)})
    print(f"Figures are in {path}")


if __name__ == "__main__":
    program.run(main)
