"""A trained model, wherever it was loaded from."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rsf_jax.config.build import build_objective, training_policy
from rsf_jax.config.config import MODEL_FIELDS, OF_THE_DATASET, Config
from rsf_jax.data.identity import Identity
from rsf_jax.errors import InputError
from rsf_jax.models.base import Prepared, VideoModel, count_parameters, prepare
from rsf_jax.models.fingerprint import fingerprint
from rsf_jax.policies import StepPolicy
from rsf_jax.policies.recording import Recording
from rsf_jax.shown import short
from rsf_jax.streaming import StreamEngine
from rsf_jax.trained.appearance import Appearance, appearance_of, load_appearance
from rsf_jax.trained.cards import Card
from rsf_jax.trained.summary import in_a_line
from rsf_jax.typing import Array
from rsf_jax.unroll import VideoOutput, run_video


@dataclasses.dataclass(frozen=True, repr=False)
class Trained:
    """A trained model with all that is known of it.

        trained = rsf.load_trained("runs/quickstart")  # or rsf.load_pretrained("quickstart_live16")
        out = trained.run(frames)  # with the schedule of its training
        out = trained.run(frames, rsf.DistanceHalting("pattern", rsf.policies.NEVER, rtol=0.2))

    What depends on how it was trained, as whether states are carried across frames, is done as
    in training.

    Attributes:
        config: settings in use.
        saved: settings it was trained with.
        model: the Flax module.
        variables: parameters, and running statistics if the model has them.
        update: training updates it has had.
        is_best: whether no checkpoint of the run was better on validation videos.
        data: what it was trained on; None if that is not known.
        card: how its weights were made and how good they are; None of a run's checkpoint.
        folder: the run's; None of weights alone.
    """

    config: Config
    saved: Config
    model: VideoModel
    variables: dict[str, Any]
    update: int
    is_best: bool = True
    data: Identity | None = None
    card: Card | None = None
    folder: Path | None = None

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the weights: what is made with a model says whose it is."""
        return fingerprint(self.variables)

    def is_of_these_weights(self, results: Mapping[str, Any]) -> bool:
        """Whether results were made with these weights; those of earlier versions do not say."""
        return results.get("weights", self.fingerprint) == self.fingerprint

    def __repr__(self) -> str:
        """Returns a line: variables and settings would fill screens."""
        name = f"{self.card.name}; " if self.card else ""
        line = in_a_line(self.config, count_parameters(self.variables))
        return f"<Trained {name}{line}, update {self.update}>"

    @property
    def schedule(self) -> StepPolicy:
        """The schedule of training; with a halting head, the policy that reads it."""
        return training_policy(self.config)

    @functools.cached_property
    def appearance(self) -> Appearance:
        """Names and colors of the classes, and the frame size of training.

        Of the test of the run or of the card; where neither is there, classes are numbers.

        Raises:
            InputError: if what the run's folder says is damaged or of other classes.
        """
        if self.card is not None:
            record = self.card.record
            return appearance_of(
                self.config.classes,
                record.class_names,
                record.colors,
                record.frame_size,
                record.background,
            )
        if self.folder is None:
            return appearance_of(self.config.classes)
        return load_appearance(self.folder, self.config)

    def prepare(self, frame_shape: tuple[int, int]) -> Prepared:
        """Returns what takes the place of the variables for frames of (height, width) pixels."""
        return prepare(self.model, self.variables, frame_shape)

    def run(
        self,
        frames: Array,
        policy: StepPolicy | None = None,
        *,
        record_states: bool | Recording = False,
    ) -> VideoOutput:
        """Runs whole videos; see `run_video`.

        Args:
            frames: float32 [B, T, H, W, I] in 0..1, or uint8 in 0..255.
            policy: recurrent steps of every frame; None for the schedule of training.
            record_states: as for `run_video`.
        """
        return run_video(
            self.model,
            self.variables,
            frames,
            policy or self.schedule,
            stateful=self.config.stateful,
            record_states=record_states,
        )

    def scorer(self) -> Callable[..., Any]:
        """Returns a function `(videos, policy) -> Scores` for the videos of a dataset's split."""
        # Here, as all of Grain comes with it, which running a model does not need.
        from rsf_jax.scoring.batch_scores import score_batch

        objective = build_objective(self.config)
        return self.over_split(partial(score_batch, objective=objective))

    def over_split(
        self, function: Callable[..., Any], most_bytes: int | None = None
    ) -> Callable[..., Any]:
        """Returns a function `(videos, policy) -> arrays` for the videos of a dataset's split.

        Args:
            function: of a batch of them, as `scoring.splits.OverSplit` takes it, with `stateful`.
            most_bytes: see there.
        """
        from rsf_jax.parallel.devices import devices_for
        from rsf_jax.scoring.splits import OverSplit

        config, devices = self.config, devices_for(self.config)
        of_batch = partial(function, stateful=config.stateful)
        size = config.eval_batch_size
        applied = OverSplit(
            self.model, devices, size, of_batch, most_bytes=most_bytes, classes=config.classes
        )
        return partial(applied, devices.replicate(self.variables))

    def engine(
        self,
        policy: StepPolicy | None = None,
        frame_shape: tuple[int, int] | None = None,
        **options: Any,
    ) -> StreamEngine:
        """Returns an engine for many live videos.

        Args:
            policy: when frames end; None for the schedule of training.
            frame_shape: (height, width) in pixels; None for the frames of training.
            options: others of `StreamEngine`.

        Raises:
            InputError: as `StreamEngine`; or if the frame size of training is not known.
        """
        stateful = self.config.stateful
        return StreamEngine(
            self.model,
            self.variables,
            policy or self.schedule,
            self.appearance.frame_shape(frame_shape),
            **{"stateful": stateful, **options},
        )


def settings_in_use(saved: Config, changes: Mapping[str, Any] | None, source: str) -> Config:
    """Returns the settings a model is used with.

    Args:
        saved: settings it was trained with.
        changes: those that shall be others.
        source: where the weights are from, for the message.

    Raises:
        InputError: if the changes are none, or ask for another model.
    """
    changes = {} if changes is None else changes
    if not isinstance(changes, Mapping):
        raise InputError(
            f"changes are {short(changes)}: a dict of settings is needed, such as "
            "{'stateful': False}"
        )
    # A preset may leave to the dataset what the checkpoint knows.
    left = [name for name in OF_THE_DATASET if changes.get(name) == 0]
    given = {name: value for name, value in changes.items() if name not in left}
    # How many devices it was trained on says nothing of this machine.
    config = saved.replace(**{"devices": 0, **given})
    changed = [name for name in MODEL_FIELDS if getattr(saved, name) != getattr(config, name)]
    if changed:
        told = (f"{n}={getattr(saved, n)!r} there, {getattr(config, n)!r} here" for n in changed)
        raise InputError(f"{source} belongs to another model: {', '.join(told)}")
    return config
