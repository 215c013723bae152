"""Measures a server on this machine: under load beside its engine alone, and what it bears.

python launch/benchmark_serving.py --pretrained=quickstart_live16 --streams=64 --seconds=60
python launch/benchmark_serving.py --pretrained=quickstart_live16 --trial=messages
python launch/benchmark_serving.py --pretrained=quickstart_live16 --trial=clients
python launch/benchmark_serving.py --pretrained=quickstart_live16 --trial=kills
"""

import dataclasses
import os
import sys
import tempfile
from pathlib import Path

from absl import flags
from benchmarks import serving, serving_trials
from benchmarks.record import write_record
from benchmarks.serving_streams import Reference
from rich.table import Table

import rsf_jax as rsf
from rsf_jax import policies
from rsf_jax.commands import opening, program, shared
from rsf_jax.console import table_console

_TRIALS = {"load": 0, "messages": 200, "clients": 50, "kills": 20}  # and how many
_TRIAL = flags.DEFINE_enum(
    "trial",
    "load",
    list(_TRIALS),
    "load: against the engine alone; messages that are hostile, clients and servers that are "
    "killed, while other streams run",
)
_COUNT = flags.DEFINE_integer(
    "count", 0, "messages, clients or kills; 0 for 200, 50 and 20", lower_bound=0
)
_POLICY = flags.DEFINE_string("policy", "s3f1", policies.GRAMMAR)
_SLOTS = flags.DEFINE_integer("slots", 8, "frames computed together", lower_bound=1)
_STREAMS = flags.DEFINE_integer(
    "streams", 0, "connections that send frames; 0 for 64, or 8 beside a trial", lower_bound=0
)
_SECONDS = flags.DEFINE_float(
    "seconds", 10.0, "for which frames are sent, or between two kills", lower_bound=0.1
)


def main() -> None:
    trained, workdir = opening.open_trained()
    policy, size = rsf.parse_policy(_POLICY.value), trained.appearance.frame_size
    if size is None:
        raise rsf.InputError("the frame size of training is not known: it is needed here")
    reference = Reference(trained, policy, size)
    given = [f"--{f.name}={f.value}" for f in (shared.PRETRAINED, shared.CONFIG) if f.value]
    given += [f"--workdir={workdir}", f"--policy={_POLICY.value}", f"--slots={_SLOTS.value}"]
    with tempfile.TemporaryDirectory() as folder:
        if _TRIAL.value == "load":
            table, found = _load(trained, policy, reference, given, Path(folder))
        else:
            table, found = _trial(reference, given, Path(folder))
    busy = os.getloadavg()[0]
    table_console().print(table)
    print(f"{os.cpu_count()} cores, load average {busy:.1f}, of which this is a part")
    path = workdir / f"serving_{_TRIAL.value}.json"
    print(f"Figures are in {write_record(path, [table], load_average=busy, **found)}")
    if found["wrong"]:
        sys.exit(1)


def _load(
    trained: rsf.Trained,
    policy: rsf.StepPolicy,
    reference: Reference,
    given: list[str],
    folder: Path,
) -> tuple[Table, dict]:
    streams = _STREAMS.value or 64
    settings = (_SLOTS.value, streams, _SECONDS.value)
    alone = serving.engine_alone(trained, policy, reference.frames, *settings)
    server = serving.Server([*given, f"--max_streams={streams}"], folder)
    try:
        load = serving_trials.under_load(server.address, reference, streams, _SECONDS.value)
    finally:
        server.stop()
    parts = {"server": dataclasses.asdict(load), "engine": dataclasses.asdict(alone)}
    return serving.table(load, alone), parts | {"wrong": load.wrong}


def _trial(reference: Reference, given: list[str], folder: Path) -> tuple[Table, dict]:
    streams, count = _STREAMS.value or 8, _COUNT.value or _TRIALS[_TRIAL.value]
    given = [*given, f"--max_streams={streams + count + 1}", "--idle_seconds=600"]
    if _TRIAL.value == "kills":
        given += [f"--snapshot={folder / 'streams.safetensors'}", "--snapshot_seconds=1"]
    server = serving.Server(given, folder)
    try:
        if _TRIAL.value == "kills":
            trial = serving_trials.kills(server, reference, streams, count, _SECONDS.value)
        else:
            act = {"messages": serving_trials.messages, "clients": serving_trials.clients}
            trial = act[_TRIAL.value](server, reference, streams, count)
    finally:
        server.stop()
    return trial.table(), dataclasses.asdict(trial)


if __name__ == "__main__":
    program.run(main)
