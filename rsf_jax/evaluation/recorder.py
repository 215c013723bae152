"""Makes the record of a run from what its folder holds."""

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rsf_jax.config.config import FREE_ON_RESUME, Config
from rsf_jax.data.batches import updates_per_epoch
from rsf_jax.data.building import find_or_build, is_built
from rsf_jax.data.dataset import open_dataset
from rsf_jax.data.identity import Identity, identity
from rsf_jax.errors import InputError
from rsf_jax.evaluation.still import SHOWN
from rsf_jax.models.base import count_parameters
from rsf_jax.policies import renewed
from rsf_jax.run_folder import RunFolder, read_json
from rsf_jax.trained.appearance import load_appearance
from rsf_jax.trained.model import Trained
from rsf_jax.trained.palette import spread_colors
from rsf_jax.trained.records import Record, Result, Still, hardware, plain_config
from rsf_jax.training import curves
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.loading import load_trained


def make_record(workdir: Path) -> Record:
    """Records a run on the machine that it ran on.

    Args:
        workdir: the run's folder, of which the best checkpoint and the tests of it are taken.
            What there is to know of its data is read where they are built; nothing is built.

    Raises:
        InputError: if there is no run, a file of it is damaged, or its data are not built here
            and it has no test that knows of them.
    """
    trained = load_trained(workdir)
    if trained.card is not None:  # weights alone: what is known of them is written there
        record = trained.card.record
        still = _still(workdir, trained, record.update)
        return dataclasses.replace(record, still=still or record.still)
    with Checkpoints(workdir) as checkpoints:
        updates, best = checkpoints.latest_step(), checkpoints.best_step()
        if updates is None or best is None:
            raise InputError(f"{workdir} has no checkpoint to be recorded: train first")
        validation = checkpoints.metrics(best)
    config = trained.saved
    there = is_built(config) and _are_of(trained.data, _identity_here(config))
    data = _Data.of_dataset(config, updates) if there else _Data.of_test(workdir, config)
    points = curves.read(workdir).get("train", {})
    return Record(
        config=plain_config(config),
        version=data.version,
        parameters=count_parameters(trained.variables),
        update=best,
        updates=updates,
        epochs=data.epochs,
        seconds=training_seconds(points, config.batch_size),
        hardware=hardware(),
        jax=jax.__version__,
        validation=dict(validation),
        frame_size=list(data.frame_size),
        class_names=data.class_names,
        colors=data.colors.tolist(),
        background=data.background,
        tests=_tests(workdir, best, trained),
        still=_still(workdir, trained, best),
    )


@dataclasses.dataclass(frozen=True)
class _Data:
    """What a record says of the data."""

    version: str
    epochs: float
    frame_size: tuple[int, int]
    class_names: list[str]
    colors: np.ndarray
    background: int | None

    @classmethod
    def of_dataset(cls, config: Config, updates: int) -> "_Data":
        dataset = open_dataset(config)
        names = dataset.class_names or list(map(str, range(config.classes)))
        colors = spread_colors(config.classes) if dataset.colors is None else dataset.colors
        epochs = updates / updates_per_epoch(dataset, config)
        version = str(find_or_build(config).version)
        return cls(version, epochs, dataset.frame_shape, names, colors, dataset.background)

    @classmethod
    def of_test(cls, workdir: Path, config: Config) -> "_Data":
        """As the run's test saw them; their version and number are not known."""
        seen = load_appearance(workdir, config)
        if seen.frame_size is None:
            raise InputError(
                f"{workdir} has no results, and its data ({config.dataset}) are not built here: "
                "test the model first"
            )
        background = seen.background
        return cls("", 0.0, seen.frame_size, seen.class_names, seen.colors, background)


def training_seconds(points: dict[int, dict[str, float]], batch_size: int) -> float:
    """Returns how long the updates of a run took, whatever happened in between.

    Args:
        points: training metrics by update, as in the curves.
        batch_size: videos an update.
    """
    seconds = 0.0
    for before, after in itertools.pairwise([0, *points]):
        seconds += (after - before) * batch_size / points[after]["videos_per_second"]
    return seconds


def _tests(workdir: Path, update: int, trained: Trained) -> dict[str, Result]:
    """The tests of a checkpoint with the settings and the data of its training, by policy."""
    saved = dataclasses.asdict(trained.saved)
    settings = {name: value for name, value in saved.items() if name not in FREE_ON_RESUME}
    found: dict[str, Result] = {}
    for path in RunFolder(workdir).tests():
        try:
            results = json.loads(path.read_text())
            # Settings that were not there yet had the values that are usual now.
            tested = dataclasses.asdict(Config(**results["config"]))
            own = results["update"] == update and settings.items() <= tested.items()
            own = own and trained.is_of_these_weights(results)
            if own and _are_of(trained.data, results.get("data")):
                results = renewed(results)
                found[results["policy"]] = _test(results)
        except (ValueError, LookupError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}): test the model anew") from error
    return found


def _still(workdir: Path, trained: Trained, update: int) -> list[Still]:
    """What a still camera has shown of a checkpoint, if it was tested so."""
    path = RunFolder(workdir).live()
    if not path.exists():
        return []
    results = read_json(path, "test the model on live streams anew")
    try:
        own = results["update"] == update and trained.is_of_these_weights(results)
        if not own or results["split"] != "test":
            return []
        # Where no last frame of a video is labeled nothing is known.
        return [_of_still(found) for found in results["still"] if found["miou"][-1] is not None]
    except (LookupError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}): test the model anew") from error


def _of_still(found: dict[str, Any]) -> Still:
    frames = len(found["miou"])
    return Still(
        policy=found["policy"],
        noise=found["noise"],
        frames=frames,
        lasts=found["lasts"],
        worst=found["worst"],
        miou={str(n): found["miou"][n - 1] for n in SHOWN if n <= frames},
    )


def _identity_here(config: Config) -> dict[str, str]:
    return dataclasses.asdict(identity(find_or_build(config)))


def _are_of(data: Identity | None, tested: dict[str, str] | None) -> bool:
    """Whether a test was on the data of training, as far as both tell what they were."""
    return not data or not tested or tested["digest"] == data.digest


def _test(results: dict[str, Any]) -> Result:
    test = results["test"]
    return Result(
        miou=test["miou"],
        miou_by_frame=test["miou_by_frame"],
        steps_by_frame=test["steps_by_frame"],
        frames_per_second=results["frames_per_second"]["1"],
        videos=test["videos"],
        policy_spec=results["policy_spec"],
    )
