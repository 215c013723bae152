"""Checkpoints of a training run: the latest, to resume from, and the best, to be tested."""

import dataclasses
import datetime
import json
import math
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from rsf_jax.config.config import BEST_BY_LOSS, Config, free_on_resume
from rsf_jax.config.registry import check_registered
from rsf_jax.data.identity import Identity
from rsf_jax.errors import InputError
from rsf_jax.paths import expand
from rsf_jax.run_folder import RunFolder
from rsf_jax.trained.records import hardware
from rsf_jax.training.disk import check_room, disk_errors
from rsf_jax.training.integrity import (
    DELETED,
    META,
    check_own,
    damage,
    find_damaged,
    remove_unfinished,
    seal,
    sealed_steps,
    set_aside_damaged,
    write_item,
)
from rsf_jax.training.lock import WriterLock
from rsf_jax.training.state import TrainState

_ITEMS = ("variables", "opt_state", "streams", META)
_RANK = "rank"  # of a checkpoint that is not chosen by its loss; the lowest is the best
_METRICS = "metrics"  # Orbax's own name, of the item and of its file


class Checkpoints:
    """The checkpoints in a run's folder.

    Kept are the latest two and the best on validation videos. A checkpoint appears under
    its final name only once it is complete, so a kill while saving loses nothing that was saved.
    It holds parameters, optimizer, configuration and, where streams are trained on, the states
    that they have left; the number of updates, its name, is also the position in the data.

    Args:
        workdir: the run's folder; checkpoints lie in `workdir/checkpoints`.
        create: to write, by one process at a time. A missing folder is made, damaged checkpoints
            are moved out of the way. If not, both are InputErrors.
        data: what is trained on; kept in every checkpoint, and compared when one is resumed.
        best_by: "loss" or "miou": which checkpoint is the best of those that are written.
    """

    def __init__(
        self,
        workdir: str | Path,
        *,
        create: bool = False,
        data: Identity | None = None,
        best_by: str = BEST_BY_LOSS,
    ) -> None:
        self._data, self._best_by = data, best_by
        run = RunFolder(expand(workdir).resolve())
        self.folder = run.checkpoints
        if not create and not self.folder.is_dir():
            raise InputError(
                f"no checkpoints in {workdir}: train first, or name the folder of a trained model"
            )
        self._lock: WriterLock | None = None
        try:
            if create:
                check_own(run)
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock = WriterLock(self.folder.parent)
                remove_unfinished(self.folder)
                set_aside_damaged(self.folder)
            self._manager = ocp.CheckpointManager(
                self.folder, options=_options(create), item_names=_ITEMS
            )
        except OSError as error:
            raise InputError(f"cannot write checkpoints to {self.folder}: {error}") from error
        except InputError:
            raise
        except ValueError:  # Orbax reads some files on opening
            for step, problem in find_damaged(self.folder).items():
                raise self._unreadable(step, problem) from None
            raise

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        self._manager.close()
        if self._lock is not None:
            self._lock.release()

    def steps(self) -> list[int]:
        """Returns the numbers of updates of all complete checkpoints, ascending."""
        return sealed_steps(self.folder)

    def latest_step(self) -> int | None:
        """Returns the number of updates of the latest checkpoint, None if there is none."""
        return max(self.steps(), default=None)

    def best_step(self) -> int | None:
        """Returns the best checkpoint on validation videos, the latest if none was validated."""
        saved = {step: self._manager.metrics(step) for step in self.steps()}
        ranks = {step: _rank(found) if found else math.inf for step, found in saved.items()}
        return min(ranks, key=lambda step: (ranks[step], -step), default=None)

    def metrics(self, step: int) -> dict[str, float]:
        """Returns the validation metrics saved with a checkpoint; empty if it was not validated."""
        found = self._manager.metrics(step) or {}
        return {name: value for name, value in found.items() if name != _RANK}

    def _ranked(self, metrics: dict[str, float]) -> dict[str, float]:
        """Metrics as they are saved: who opens the folder later does not know what it was for."""
        if self._best_by == BEST_BY_LOSS:
            return metrics
        value = metrics[self._best_by]  # NaN where no pixel has a label
        return {**metrics, _RANK: -value if math.isfinite(value) else 0.0}

    def save(
        self, state: TrainState, config: Config, metrics: dict[str, float] | None = None
    ) -> None:
        """Saves a state, unless one of the same step is there already.

        Raises:
            InputError: if the disk is full, or another error of the disk; earlier checkpoints are
                untouched.
        """
        step = int(state.step)
        if step in self.steps():
            return
        state = jax.device_get(state)  # of several processes Orbax takes no arrays on devices
        arrays = _arrays(state)
        items = ocp.args.Composite(
            **{name: ocp.args.StandardSave(tree) for name, tree in arrays.items()},
            meta=ocp.args.JsonSave(
                {
                    "config": dataclasses.asdict(config),
                    "shapes": _shapes(state.variables),
                    "data": self._data and dataclasses.asdict(self._data),
                    "made": {"ended": _now(), "hardware": hardware(), "jax": jax.__version__},
                }
            ),
        )
        with disk_errors(self.folder.parent):
            check_room(self.folder, arrays)
            ranked = metrics and self._ranked(metrics)
            self._manager.save(step, args=items, metrics=ranked, force=True)
            # Last: what has no seal does not count. See docs/decisions/0010-checkpoints.md.
            seal(self._path(step))
            remove_unfinished(self.folder)

    def add_metrics(self, step: int, metrics: dict[str, float]) -> None:
        """Adds what validation has found to a checkpoint that was saved before it.

        Raises:
            InputError: if the disk is full, or another error of the disk; the checkpoint is whole
                then, without metrics.
        """
        path = self._path(step)
        with disk_errors(self.folder.parent):
            write_item(path, _METRICS, json.dumps(self._ranked(metrics)))
            seal(path)
        self._manager.reload()  # it keeps the metrics by which it finds the best

    def config(self, step: int) -> Config:
        """Returns the configuration a checkpoint was trained with.

        Raises:
            InputError: if the checkpoint is damaged, or its cell or network is not registered.
        """
        saved = self._meta(step)["config"]
        check_registered(saved.get("model"), f"checkpoint {self._path(step)}")
        try:
            return Config(**saved)
        except TypeError as error:
            raise self._unreadable(step, f"settings of another version: {error}") from error

    def restore(self, step: int, like: TrainState, config: Config) -> TrainState:
        """Restores a state to go on training with, as NumPy arrays.

        Args:
            step: number of updates.
            like: a state of the same structure, for shapes and dtypes.
            config: the configuration of the run that wants to resume.

        Raises:
            InputError: if the checkpoint is damaged, or was made by a run of another configuration,
                on other data or by another version of the cell.
        """
        changed = _differences(self.config(step), config, free_on_resume(config))
        if changed:
            raise InputError(
                f"{self.folder.parent} holds a run with other settings: {changed}. Give those, or "
                "choose another folder"
            )
        self._check_data(step)
        self._check_shapes(step, like)
        wanted = {
            name: ocp.args.StandardRestore(_abstract(tree)) for name, tree in _arrays(like).items()
        }
        items = self._restore(step, **wanted)
        counter = np.asarray(step, like.step.dtype)
        model_state = dict(items["variables"])
        params = model_state.pop("params")
        left = items.get("streams", like.streams)
        return TrainState(counter, params, model_state, items["opt_state"], left)

    def restore_variables(self, step: int, like: TrainState) -> dict[str, Any]:
        """Restores what a model is applied to, as NumPy arrays.

        Args:
            step: number of updates.
            like: a state of the same model, for shapes and dtypes.

        Raises:
            InputError: if the checkpoint is damaged, or has other parameters.
        """
        self._check_shapes(step, like)
        wanted = ocp.args.StandardRestore(_abstract(like.variables))
        return self._restore(step, variables=wanted)["variables"]

    def data(self, step: int) -> Identity | None:
        """Returns what a checkpoint was trained on, None if an earlier version saved it."""
        there = self._meta(step).get("data")
        return Identity(**there) if there else None

    def made(self, step: int) -> dict[str, Any]:
        """Returns when and on what a checkpoint was made; empty if an earlier version saved it."""
        return self._meta(step).get("made") or {}

    def _check_data(self, step: int) -> None:
        there = self.data(step)
        if there and self._data and there.digest != self._data.digest:
            raise InputError(
                f"{self.folder.parent} holds a run on other data: {there.words} there, "
                f"{self._data.words} here. Give those with config.data_dir or "
                "config.manual_dir, or choose another folder"
            )

    def _check_shapes(self, step: int, like: TrainState) -> None:
        """Orbax would tell of other parameters in hundreds of lines."""
        here = _shapes(like.variables)
        there = self._meta(step).get("shapes", here)  # none: saved by an earlier version
        changed = ", ".join(
            f"{name} {there.get(name, 'missing')} there, {here.get(name, 'missing')} here"
            for name in sorted(there.keys() | here.keys())
            if there.get(name) != here.get(name)
        )
        if changed:
            raise InputError(
                f"checkpoint {self._path(step)} has other parameters than the model: {changed}. "
                "Undo what has changed in its code since, or choose another folder"
            )

    def _meta(self, step: int) -> dict[str, Any]:
        return self._restore(step, meta=ocp.args.JsonRestore())["meta"]

    def _path(self, step: int) -> Path:
        return self.folder / str(step)

    def _restore(self, step: int, **items: Any) -> Any:
        # Checked first: Orbax notices little of the damage, and reports it in hundreds of lines.
        problem = damage(self._path(step))
        if problem is not None:
            raise self._unreadable(step, problem)
        return self._manager.restore(step, args=ocp.args.Composite(**items))

    def _unreadable(self, step: int, problem: str) -> InputError:
        others = [str(other) for other in self.steps() if other != step]
        advice = f"go on from update {' or '.join(others)}" if others else "start anew"
        return InputError(
            f"checkpoint {self._path(step)} is damaged ({problem}): restore it from a copy, or "
            f"delete this folder to {advice}"
        )


def _options(create: bool) -> ocp.CheckpointManagerOptions:
    best = BestN(get_metric_fn=_rank, reverse=True, n=1, keep_checkpoints_without_metrics=False)
    return ocp.CheckpointManagerOptions(
        create=False,  # the folder is there
        # `remove_unfinished` does that: Orbax does it in a thread that fails where we end at once.
        cleanup_tmp_directories=False,
        todelete_subdir=DELETED if create else None,
        enable_async_checkpointing=False,
        best_fn=_rank,
        best_mode="min",
        # Two: a kill may leave the last one unsealed.
        preservation_policy=AnyPreservationPolicy([LatestN(2), best]),
        # Of several processes one alone reads and writes a folder: nobody is waited for.
        multiprocessing_options=ocp.options.MultiprocessingOptions(
            primary_host=jax.process_index(),
            active_processes={jax.process_index()},
            barrier_sync_key_prefix=f"process_{jax.process_index()}",
        ),
    )


def _arrays(state: TrainState) -> dict[str, Any]:
    """What is saved of a state, by item."""
    items = {"variables": state.variables, "opt_state": state.opt_state}
    return {**items, "streams": state.streams} if jax.tree.leaves(state.streams) else items


def _rank(metrics: dict[str, float]) -> float:
    """What is lowest of the best checkpoint."""
    return metrics.get(_RANK, metrics[BEST_BY_LOSS])


def _abstract(tree: Any) -> Any:
    return jax.tree.map(lambda x: np.empty(x.shape, x.dtype), tree)


def _shapes(variables: dict[str, Any]) -> dict[str, list[int]]:
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    return {name: list(array.shape) for name, array in flat.items()}


def _differences(
    saved: Config,
    wanted: Config,
    exempt: tuple[str, ...],
) -> str:
    names = [f.name for f in dataclasses.fields(Config) if f.name not in exempt]
    pairs = ((name, getattr(saved, name), getattr(wanted, name)) for name in names)
    return ", ".join(
        f"{name}={old!r} there, {new!r} here" for name, old, new in pairs if old != new
    )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
