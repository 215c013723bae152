"""Memory of training, measured in a process of its own.

`measure` starts `python -m benchmarks.memory JOB`.
"""

import dataclasses
import functools
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np

from benchmarks.cases import (
    build_workload,
    gradients,
    random_batch,
    random_frames,
    step_counts,
)
from benchmarks.pytorch import PyTorchModel
from rsf_jax.config.build import build_model, build_objective, build_penalty, build_schedule
from rsf_jax.config.config import Config
from rsf_jax.measures.timing import Case, compiled


@dataclasses.dataclass(frozen=True)
class Usage:
    """What one batch's gradients take.

    Attributes:
        peak_bytes: the largest resident size of the process, interpreter and libraries included.
        temporary_bytes: memory beside arguments and results, as the compiler reports it; None for
            PyTorch.
        seconds: of a second call, after one that compiled or warmed up.
    """

    peak_bytes: int
    temporary_bytes: int | None
    seconds: float


def measure(config: Config, shape: tuple[int, int, int], *, torch: bool = False) -> Usage:
    """Computes one batch's gradients twice in a process of its own.

    Args:
        config: the model, the recurrent steps of every frame, and how they are differentiated.
        shape: videos, frames of each, and their side in pixels.
        torch: measure the PyTorch model instead.
    """
    job = {"config": dataclasses.asdict(config), "shape": shape, "torch": torch}
    command = [sys.executable, "-m", "benchmarks.memory", json.dumps(job)]
    # Of this package, wherever it is called from.
    folders = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, folders))}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return Usage(**json.loads(done.stdout.strip().splitlines()[-1]))


def build_case(config: Config, shape: tuple[int, int, int]) -> Case:
    """Compiles the gradients of one batch: videos, frames of each, and their side in pixels."""
    work = build_workload(config, *shape, with_torch=False)
    run = functools.partial(
        gradients,
        work.model,
        build_schedule(config),
        build_objective(config),
        build_penalty(config),
    )
    return compiled(run, work.variables, random_batch(work.frames))


def _run_torch(config: Config, shape: tuple[int, int, int]) -> Case:
    # Nothing is computed by JAX here: its memory would be counted too.
    frames = random_frames(*shape)
    shapes = jax.eval_shape(build_model(config).init, jax.random.key(0), frames)["params"]
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: 0.01 * rng.random(leaf.shape, np.float32), shapes)
    masks = np.asarray(random_batch(frames).masks)
    counts = step_counts(build_schedule(config), shape[1])
    model = PyTorchModel(params)
    return Case(lambda: model.gradients(frames, masks, counts, config.focal_gamma))


def _main(job: dict) -> None:
    build = _run_torch if job["torch"] else build_case
    case = build(Config(**job["config"]), tuple(job["shape"]))
    case.call()
    start = time.perf_counter()
    case.call()
    seconds = time.perf_counter() - start
    usage = Usage(_own_peak(), case.temporary_bytes, seconds)
    print(json.dumps(dataclasses.asdict(usage)))


def _own_peak() -> int:
    # On Linux getrusage would count what the parent process had when it started this one.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
