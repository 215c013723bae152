"""Trains a model and tests it: python launch/train.py --config=hard_s8f8.

Run it again to resume where it stopped; until it is finished it ends with exit code 75, or by the
signal that stopped it. With --pretrained=NAME it begins with trained weights.
Several processes train one model with --distributed, or
with --coordinator, --num_processes and --process_id.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

import rsf_jax as rsf
from rsf_jax.commands import devices, program, shared

if TYPE_CHECKING:
    from rsf_jax.parallel.processes import Processes

_DISTRIBUTED = flags.DEFINE_boolean(
    "distributed", False, "one of several processes that a cluster's manager has started"
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0, where nothing manages the processes"
)
_PROCESSES = flags.DEFINE_integer("num_processes", None, "with --coordinator", lower_bound=1)
_PROCESS = flags.DEFINE_integer("process_id", None, "with --coordinator, from 0", lower_bound=0)


def main() -> None:
    from rsf_jax import experiment
    from rsf_jax.training.loop import Outcome

    if shared.CONFIG.value is None:
        raise rsf.InputError("give --config=PRESET, such as --config=quickstart")
    config = rsf.get_config(shared.CONFIG.value).replace(**shared.overrides())
    workdir = Path(shared.WORKDIR.value or Path("runs", shared.CONFIG.value))
    devices.use_cpu_cores(-(-config.batch_size // (_PROCESSES.value or 1)))
    processes = _join()
    if shared.PRETRAINED.value:
        config = _begin_with(shared.PRETRAINED.value, config, workdir, processes)
    if processes.is_main:
        devices.print_header(config)
    if processes.count > 1:
        print(f"process {processes.index} of {processes.count}", flush=True)
    outcome = experiment.run(config, workdir)
    program.end(outcome is not Outcome.STOPPED)


def _begin_with(
    pretrained: str, config: rsf.Config, workdir: Path, processes: "Processes"
) -> rsf.Config:
    from rsf_jax.trained.cards import read_card
    from rsf_jax.trained.places import find_card
    from rsf_jax.training.imports import import_pretrained

    if config.init_from:
        raise rsf.InputError("--pretrained and --config.init_from: give one of them")
    card = find_card(pretrained)
    folder = workdir / "pretrained" / read_card(card).name

    def make() -> None:
        import_pretrained(card, folder)

    processes.on_main(make)
    return config.replace(init_from=str(folder))


def _join() -> "Processes":
    from rsf_jax.parallel.processes import ALONE, connect

    coordinator, count, index = _COORDINATOR.value, _PROCESSES.value, _PROCESS.value
    if coordinator is None and count is None and index is None:
        return connect() if _DISTRIBUTED.value else ALONE
    if coordinator is None or count is None or index is None:
        raise rsf.InputError("give --coordinator, --num_processes and --process_id, all three")
    if index >= count:
        raise rsf.InputError(
            f"--process_id={index}: of {count} processes the last has number {count - 1}"
        )
    return connect(coordinator, count, index)
