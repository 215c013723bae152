"""Runs what is missing of the paper's tables, and writes RESULTS.md of what has been run.

python launch/reproduce.py --minutes=9
python launch/reproduce.py --presets=easy_s6f1,hard_s8f8 --seeds=0,1,2
python launch/reproduce.py --plan=two_cores --minutes=170
python launch/reproduce.py --plan=live --stages=quickstart_live16 --seeds=1

Call it again to go on; while something is left it ends with exit code 75. The plan `paper` trains
every row as the paper does; `two_cores` trains few networks from nothing, in small windows, and
begins the other rows with their weights; `live` trains models for live video and what they are
compared with, and tests them on live streams, and `live_tries` does so with one setting of the
recipe changed in each; `halting` trains networks that spend steps in other ways, and compares rules
of halting on equal terms; `mazes` trains on mazes, small ones first. Settings given as
--config.FIELD are changed in all runs, which are then listed apart from the paper's.
"""

import dataclasses
from pathlib import Path

from absl import flags
from reproduction import halting, live, mazes, page, paper, two_cores
from reproduction.plan import Job, run_jobs

import rsf_jax as rsf
from rsf_jax import policies
from rsf_jax.commands import devices, program, shared
from rsf_jax.config.config import FREE_ON_RESUME
from rsf_jax.paths import expand

_PLANS = {
    "two_cores": two_cores.jobs,
    "live": live.jobs,
    "live_tries": live.tries,
    "halting": halting.jobs,
    "mazes": mazes.jobs,
}
_PLAN = flags.DEFINE_enum("plan", "paper", ["paper", *_PLANS], "what is trained, and how")
_PRESETS = flags.DEFINE_list("presets", None, "what to run, in order; the paper's unless given")
_STAGES = flags.DEFINE_list("stages", None, "of a plan, in its order; all unless given")
_SEEDS = flags.DEFINE_list("seeds", ["0"], "seeds of each, the first of all before the second")
_POLICIES = flags.DEFINE_list("policies", [], "to test each with, beside what the paper does")
_MINUTES = flags.DEFINE_float(
    "minutes", 0.0, "after which the run at hand is saved and left; 0 for no limit", lower_bound=0
)
_RUNS = flags.DEFINE_string("runs", "runs/reproduction", "folder for the runs")
_RECORDS = flags.DEFINE_string("records", "docs/records", "folder for what is known of each")
_PAGE = flags.DEFINE_string("page", "RESULTS.md", "the page to write")
_PAGE_ONLY = flags.DEFINE_boolean("page_only", False, "run nothing, write the page")


def main() -> None:
    records = expand(_RECORDS.value)
    finished = _PAGE_ONLY.value or _run(records)
    page.write_page(records, expand(_PAGE.value))
    print(f"The results are in {_PAGE.value}")
    program.end(finished)


def _run(records: Path) -> bool:
    """Whether everything has been run."""
    jobs = _jobs()
    devices.use_cpu_cores(jobs[0].config.batch_size)
    devices.print_header(jobs[0].config)
    finished = run_jobs(jobs, expand(_RUNS.value), records, _MINUTES.value)
    if not finished:
        print("Some of it is left: run again to go on")
    return finished


def _jobs() -> list[Job]:
    for flag in (shared.CONFIG, shared.WORKDIR):
        if flag.value:
            raise rsf.InputError(f"--{flag.name} is not used here: give --presets, --runs")
    if "seed" in shared.overrides():
        raise rsf.InputError("--config.seed is not used here: give --seeds")
    try:
        seeds = [int(seed) for seed in _SEEDS.value]
    except ValueError as error:
        raise rsf.InputError(f"--seeds are whole numbers: {error}") from error
    if _PLAN.value in _PLANS:
        return _stages(seeds)
    if _STAGES.value is not None:
        raise rsf.InputError(f"--stages are those of --plan={' or '.join(_PLANS)}")
    presets = paper.presets() if _PRESETS.value is None else _PRESETS.value
    if not seeds or not presets:
        raise rsf.InputError("give at least one of --presets and one of --seeds")
    chosen = tuple(policies.policy_name(rsf.parse_policy(text)) for text in _POLICIES.value)
    return [
        Job(
            rsf.get_config(preset).replace(**shared.overrides()).replace(seed=seed),
            tuple(dict.fromkeys([*paper.policies(preset), *chosen])),
        )
        for seed in seeds
        for preset in presets
    ]


def _stages(seeds: list[int]) -> list[Job]:
    if _PRESETS.value is not None or _POLICIES.value:
        raise rsf.InputError(f"--presets and --policies are not used with --plan={_PLAN.value}")
    here = {name for name in shared.overrides() if name not in FREE_ON_RESUME}
    if here:
        raise rsf.InputError(
            f"--config.{min(here)} is not used with --plan={_PLAN.value}, whose stages have "
            "settings of their own"
        )
    changes = shared.overrides()
    return [
        dataclasses.replace(job, config=job.config.replace(**changes))
        for seed in seeds
        for job in _chosen(_PLANS[_PLAN.value](seed), seed)
    ]


def _chosen(jobs: list[Job], seed: int) -> list[Job]:
    if _STAGES.value is None:
        return jobs
    stages = {job.name.removesuffix(f"-seed{seed}"): job for job in jobs}
    if unknown := sorted(set(_STAGES.value) - set(stages)):
        raise rsf.InputError(
            f"--stages: {unknown[0]!r} is none of --plan={_PLAN.value} with seed {seed}, which are "
            + ", ".join(stages)
        )
    return [job for name, job in stages.items() if name in _STAGES.value]


if __name__ == "__main__":
    program.run(main)
