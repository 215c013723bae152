"""Peak memory of training, measured in a process of its own.

`peak_bytes` starts `python -m rsf_jax.benchmarks.memory JOB`.
"""

import dataclasses
import json
import resource
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np

from rsf_jax.benchmarks.cases import (
    build_workload,
    gradients,
    random_batch,
    random_frames,
    step_counts,
)
from rsf_jax.benchmarks.pytorch import PyTorchModel
from rsf_jax.build import build_model, build_penalty, build_schedule
from rsf_jax.config import Config


def peak_bytes(config: Config, shape: tuple[int, int, int], *, torch: bool = False) -> int:
    """Returns the largest resident size of a process that computes one batch's gradients.

    Interpreter and libraries are included.

    Args:
        config: the model, the recurrent steps of every frame, and how they are differentiated.
        shape: videos, frames of each, and their side in pixels.
        torch: measure the PyTorch model instead.
    """
    job = {
        "config": dataclasses.asdict(config),
        "shape": shape,
        "torch": torch,
    }
    command = [sys.executable, "-m", "rsf_jax.benchmarks.memory", json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.strip().splitlines()[-1])


def _run_jax(config: Config, shape: tuple[int, int, int]) -> None:
    work = build_workload(config, *shape, with_torch=False)
    compiled = jax.jit(gradients, static_argnums=(0, 1, 2, 3))
    batch = random_batch(work.frames)
    schedule, penalty = build_schedule(config), build_penalty(config)
    jax.block_until_ready(
        compiled(work.model, schedule, config.focal_gamma, penalty, work.variables, batch)
    )


def _run_torch(config: Config, shape: tuple[int, int, int]) -> None:
    # Nothing is computed by JAX here: its memory would be counted too.
    frames = random_frames(*shape)
    shapes = jax.eval_shape(build_model(config).init, jax.random.key(0), frames)["params"]
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: 0.01 * rng.random(leaf.shape, np.float32), shapes)
    masks = np.asarray(random_batch(frames).masks)
    counts = step_counts(build_schedule(config), shape[1])
    PyTorchModel(params).gradients(frames, masks, counts, config.focal_gamma)


def _main(job: dict) -> None:
    run = _run_torch if job["torch"] else _run_jax
    run(Config(**job["config"]), tuple(job["shape"]))
    print(_own_peak())


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
