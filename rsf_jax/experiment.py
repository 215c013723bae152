"""A whole experiment: data, training, test."""

from pathlib import Path

from rsf_jax.building import find_or_build
from rsf_jax.config import Config
from rsf_jax.data import open_dataset, settle
from rsf_jax.errors import InputError
from rsf_jax.evaluation import evaluate, print_results
from rsf_jax.json_files import write_json
from rsf_jax.paths import expand
from rsf_jax.processes import here
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.loop import Outcome, train
from rsf_jax.training.trained import load_trained


def run(config: Config, workdir: Path) -> Outcome:
    """Builds the data if it is missing, trains or resumes, and tests the best checkpoint.

    Args:
        config: the experiment.
        workdir: folder for everything it leaves: `config.json`, `checkpoints/`, `events/`,
            `results.json`, `predictions.png`.

    Returns:
        How training ended. A run that was stopped is not tested.

    Raises:
        InputError: if a setting, the dataset or the folder cannot be used.
    """
    workdir, processes = expand(workdir), here()

    def prepare() -> None:
        writable_folder(workdir)
        find_or_build(config)  # once, not by all at the same time

    processes.on_main(prepare)
    settled = settle(config)
    if processes.is_main and settled != config:
        print(f"{config.dataset}: {settled.classes} classes, {settled.input_channels} channels")
    config, dataset = settled, open_dataset(settled)
    outcome = train(config, dataset, workdir)
    processes.shutdown()
    if not processes.is_main:
        return outcome
    _save_config_of(workdir)
    if outcome is not Outcome.STOPPED:
        print_results(evaluate(load_trained(workdir), dataset, workdir))
        print(f"Results and a picture of predictions are in {workdir}")
    return outcome


def _save_config_of(workdir: Path) -> None:
    """Of the latest checkpoint: some settings are those that a run was begun with."""
    with Checkpoints(workdir) as checkpoints:
        step = checkpoints.latest_step()
        if step is not None:
            save_config(checkpoints.config(step), workdir)


def save_config(config: Config, workdir: Path) -> None:
    """Writes `config.json`, for people to read."""
    write_json(workdir / "config.json", config)


def writable_folder(path: Path) -> Path:
    """Makes a folder for results if it is missing.

    Raises:
        InputError: if it cannot be made or written to.
    """
    path = expand(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"--workdir={path} cannot be written to ({error.strerror}): choose another folder"
        ) from error
    return path
