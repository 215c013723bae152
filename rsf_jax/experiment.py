"""A whole experiment: data, training, test."""

from pathlib import Path

from rsf_jax.config.config import Config, checked_config
from rsf_jax.data.building import find_or_build
from rsf_jax.data.dataset import Dataset, check_dataset, open_dataset, settle
from rsf_jax.evaluation.testing import evaluate, print_results
from rsf_jax.parallel.processes import here
from rsf_jax.paths import expand
from rsf_jax.run_folder import gone_if_empty, writable_folder
from rsf_jax.training.journal import check_beginning
from rsf_jax.training.loading import load_trained
from rsf_jax.training.loop import Outcome, train


def run(config: Config, workdir: str | Path, dataset: Dataset | None = None) -> Outcome:
    """Builds the data if it is missing, trains or resumes, and tests the best checkpoint.

    Args:
        config: the experiment.
        workdir: folder for everything it leaves: `config.json`, `checkpoints/`, `events/`,
            `results.json`, `predictions.png`.
        dataset: an open one, such as `Dataset.from_arrays` makes; None for that of the
            configuration.

    Returns:
        How training ended. A run that was stopped is not tested.

    Raises:
        InputError: if a setting, the dataset or the folder cannot be used.
    """
    checked_config(config)
    if dataset is not None:
        check_dataset(dataset)
    workdir, processes = expand(workdir), here()

    def prepare() -> None:
        with gone_if_empty(workdir):
            writable_folder(workdir)
            check_beginning(config, workdir)  # before data are built, which takes minutes
            if dataset is None:
                find_or_build(config)  # once, not by all at the same time

    processes.on_main(prepare)
    settled = settle(config) if dataset is None else dataset.settle(config)
    if processes.is_main and settled != config:
        print(f"{settled.classes} classes, {settled.input_channels} channels")
    config, dataset = settled, dataset or open_dataset(settled)
    outcome = train(config, dataset, workdir)
    processes.shutdown()
    if not processes.is_main:
        return outcome
    if outcome is not Outcome.STOPPED:
        print_results(evaluate(load_trained(workdir), dataset, workdir))
        print(f"Results and a picture of predictions are in {workdir}")
    return outcome
