"""The analysis of a trained model: numbers, figures and `analysis.json`."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from matplotlib.figure import Figure

from rsf_jax.analysis import figures
from rsf_jax.analysis.access import check_recurrent
from rsf_jax.analysis.changes import (
    Changes,
    Correlation,
    StepsByChange,
    correlate,
    measure_changes,
    steps_by_change,
)
from rsf_jax.analysis.movement import (
    BEHAVIORS,
    MIN_STEPS,
    DistanceRatios,
    LongRun,
    distance_ratios,
    follow_frame,
    long_run,
    step_distances,
)
from rsf_jax.analysis.reaction_time import (
    Reactions,
    ReactionTimes,
    reaction_times,
    uncertainty_curves,
    uncertainty_of,
    within,
)
from rsf_jax.analysis.trajectory import Trajectory, project_trajectory
from rsf_jax.arguments import whole
from rsf_jax.checks import check_policy
from rsf_jax.config.build import training_policy, training_schedule
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.data.dataset import Dataset, check_dataset, first_videos
from rsf_jax.errors import InputError
from rsf_jax.evaluation.still import StillCamera, still_camera, still_numbers
from rsf_jax.evaluation.testing import name_suffix
from rsf_jax.evaluation.usual_policies import cap_steps
from rsf_jax.figures.live import draw_still
from rsf_jax.json_files import plain, write_json
from rsf_jax.measures.foreground import mean_of_labeled
from rsf_jax.measures.losses import is_labeled
from rsf_jax.models.base import Prepared, prepare
from rsf_jax.policies import (
    NEVER,
    Anderson,
    DistanceHalting,
    FixedSchedule,
    Refresh,
    StepPolicy,
    Wrapper,
    entry,
    policy_name,
)
from rsf_jax.run_folder import RunFolder, writable_folder
from rsf_jax.trained.model import Trained
from rsf_jax.unroll import run_video

_VIDEOS = 100
_FOLLOWED = 16  # videos of the long run, one at a time, and of the still camera
_REPEATS = 100  # of the still camera's frame; the whole test is `evaluation.live_test`
_RATIO_STEPS = 12  # or twice those of training, if that is more


@dataclasses.dataclass(frozen=True)
class _Subject:
    """What is analyzed: a model on the first videos of the test split."""

    trained: Trained
    prepared: Prepared
    videos: grain.MapDataset

    def measure(self, measure: Callable[..., Any], *args: Any) -> Any:
        """Measures all videos, a batch at a time; the results are NumPy arrays [V, ...]."""
        parts = [
            measure(self.trained.model, self.prepared, frames, *args, **self._options)
            for frames, _ in _batches(self.videos, self._size)
        ]
        return jax.tree.map(lambda *part: np.concatenate(part), *parts)

    def follow(self, frames: np.ndarray, policy: StepPolicy) -> tuple[Trajectory, np.ndarray]:
        """Returns the trajectory of one video [T, H, W, I], and its steps [T]."""
        out = run_video(
            self.trained.model,
            self.prepared,
            frames[None],
            policy,
            record_states=True,
            **self._options,
        )
        steps = np.asarray(out.steps[0])
        return project_trajectory(np.asarray(out.states[0]), steps), steps

    def long_runs(self, steps: int) -> list[LongRun]:
        """Returns long runs of some of the videos, computed one at a time."""
        model, prepared = self.trained.model, self.prepared
        videos = self.videos[: min(_FOLLOWED, len(self.videos))]
        return [
            long_run(
                follow_frame(model, prepared, frames[:, 0], steps),
                masks[0, 0],
                self.trained.config.classes,
            )
            for frames, masks in _batches(videos, 1)
        ]

    def reactions(self, frames: np.ndarray, steps: int) -> Reactions:
        """Returns reaction times, with maps of one video [T, H, W, I]."""
        kind, classes = uncertainty_of(self.trained.config), self.trained.config.classes
        options: dict[str, Any] = {"kind": kind, "with_maps": True, **self._options}

        def measure(videos: np.ndarray) -> ReactionTimes:
            return reaction_times(self.trained.model, self.prepared, videos, steps, **options)

        curves, xi, foreground = [], [], []
        for videos, masks in _batches(self.videos, self._size):
            found = measure(videos)
            curves.append(found.curve)
            xi.append(found.xi)
            foreground.append(within(found.maps, (masks > 0) & is_labeled(masks, classes)))
        return Reactions(
            kind=kind,
            curves=uncertainty_curves(np.concatenate(curves)),
            xi=np.concatenate(xi),
            foreground=np.concatenate(foreground),
            # In a batch as before: another would be compiled anew.
            maps=np.asarray(measure(np.repeat(frames[None], self._size, 0)).maps[0]),
            frames=frames,
        )

    @property
    def _size(self) -> int:
        """Videos of a batch."""
        return min(self.trained.config.eval_batch_size, len(self.videos))

    @property
    def _options(self) -> dict[str, Any]:
        return {"stateful": self.trained.config.stateful}


@dataclasses.dataclass(frozen=True)
class _Findings:
    """What was measured; `ran` under the policy, `halted` under the halting rule."""

    ran: Changes
    halted: Changes
    correlation: Correlation
    pattern: Correlation
    steps_by_change: StepsByChange
    video: np.ndarray
    video_steps: np.ndarray
    trajectory: Trajectory
    ratios: DistanceRatios
    runs: list[LongRun]
    still: StillCamera
    reactions: Reactions


def analyze(
    trained: Trained,
    dataset: Dataset,
    workdir: str | Path,
    *,
    policy: StepPolicy | None = None,
    videos: int | None = None,
    video: int = 0,
    long_steps: int = 50,
) -> dict[str, Any]:
    """Measures and draws what a model's hidden states do on test videos.

    Files in `workdir`: `analysis.json` and, as PNG and SVG, `correlation`, `trajectory`,
    `steps_vs_change`, `distance_ratios`, `long_run`, `still_camera` and `reaction_time`; with a
    policy other than the one the model was trained with, its name is added, as in
    `analysis_s6f2.json`.

    Args:
        trained: a recurrent model.
        dataset: an open dataset.
        workdir: folder for the results, made if it is missing.
        policy: recurrent steps of every frame for the correlation and the trajectory; None for
            `training_policy`. Where it is a schedule, steps against change are counted under
            `pattern:rtol=0.15:{N}`, N the cap of a sweep; else under it.
        videos: how many test videos, from the first on; None for 100 or all there are.
        video: position in the test split, from 0, of the video whose trajectory is drawn.
        long_steps: recurrent steps of the long run, at least 24; of at most 16 of the videos, whose
            last frames are what the still camera shows.

    Returns:
        What `analysis.json` holds.

    Raises:
        InputError: if the model has no recurrence, the dataset is none of its classes, or a number
            is out of range.
    """
    check_recurrent(trained.model)
    check_dataset(dataset, trained.config)
    size = _checked_size(dataset, videos, video, long_steps)
    own = training_schedule(trained.config)
    policy = policy or training_policy(trained.config)
    check_policy(policy)
    workdir = writable_folder(workdir)
    halting = _halting_rule(policy, cap_steps(trained.config))
    prepared = jax.jit(lambda v: prepare(trained.model, v, dataset.frame_shape))(trained.variables)
    subject = _Subject(trained, prepared, dataset.test[:size])
    frames = dataset.test[video]["frames"]
    found = _find(subject, frames, policy, halting, long_steps)
    results = _settings(trained, policy, halting) | {"video": video}
    results |= _numbers(found, own.slow)
    suffix = name_suffix(trained, dataset, policy)
    results = plain(results)
    write_json(RunFolder(workdir).analysis(suffix), results)
    for name, figure in _figures(found, own, halting).items():
        figures.save(figure, Path(workdir), name + suffix)
    return results


def _checked_size(dataset: Dataset, videos: int | None, video: int, long_steps: int) -> int:
    """Returns how many videos to use, once everything is in range."""
    available = len(dataset.test)
    if videos is not None and whole("videos", videos) > available:
        raise InputError(f"videos is {videos}: there are 1 to {available} test videos to choose")
    if whole("video", video, 0) >= available:
        raise InputError(f"video is {video}: the test videos are numbered 0 to {available - 1}")
    whole("long_steps", long_steps, MIN_STEPS)
    return videos or min(_VIDEOS, available)


def _halting_rule(policy: StepPolicy, cap: int) -> StepPolicy:
    """The policy, unless its steps are fixed and cannot depend on the input."""
    inside = policy
    while isinstance(inside, Refresh | Anderson):  # which look at no frame
        inside = inside.inner
    if not isinstance(inside, FixedSchedule):
        return policy
    return DistanceHalting("pattern", NEVER, cap, rtol=0.15)


def _find(
    subject: _Subject, frames: np.ndarray, policy: StepPolicy, halting: StepPolicy, long_steps: int
) -> _Findings:
    # This first: it finds out whether the videos are long enough.
    ran = subject.measure(measure_changes, policy)
    correlation = correlate(ran.drive, ran.hidden)
    halted = ran if halting is policy else subject.measure(measure_changes, halting)
    trajectory, spent = subject.follow(frames, policy)
    trained_steps = training_schedule(subject.trained.config).max_steps
    steps = max(_RATIO_STEPS, 2 * trained_steps)
    distances = subject.measure(step_distances, steps)
    return _Findings(
        ran=ran,
        halted=halted,
        correlation=correlation,
        pattern=correlate(ran.drive, ran.pattern),
        steps_by_change=steps_by_change(halted.frames, halted.steps),
        video=frames,
        video_steps=spent,
        trajectory=trajectory,
        ratios=distance_ratios(distances),
        runs=subject.long_runs(long_steps),
        still=still_camera(
            subject.trained,
            first_videos(subject.videos, min(_FOLLOWED, len(subject.videos))),
            policy,
            frames=_REPEATS,
        ),
        reactions=subject.reactions(frames, steps),
    )


def _settings(trained: Trained, policy: StepPolicy, halting: StepPolicy) -> dict[str, Any]:
    return {
        "preset": trained.config.name,
        **entry(policy),
        **entry(halting, "halting"),
        "update": trained.update,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "config": dataclasses.asdict(trained.config),
    }


def _numbers(found: _Findings, slow_steps: int) -> dict[str, Any]:
    path, halted = found.trajectory, found.halted
    return {
        "videos": len(halted.steps),
        "correlation": found.correlation,
        "pattern_correlation": found.pattern,
        "trajectory": {
            "steps": found.video_steps,
            "shares": path.shares,
            "coordinates": path.coordinates,
            "frame": path.frame,
        },
        "steps_by_change": {
            **dataclasses.asdict(found.steps_by_change),
            "mean_by_frame": halted.steps.mean(0),
            "frame_changes": halted.frames,
            "frame_steps": halted.steps,
        },
        "distance_ratios": found.ratios,
        "long_run": _long_run_numbers(found.runs, slow_steps),
        "still_camera": still_numbers(found.still),
        "reaction_time": _reaction_numbers(found.reactions),
    }


def _long_run_numbers(runs: list[LongRun], slow_steps: int) -> dict[str, Any]:
    whole = Counter(run.behavior for run in runs)
    pattern = Counter(run.pattern_behavior for run in runs)
    iou = mean_of_labeled(np.array([run.iou for run in runs]), 0)
    trained_steps = min(slow_steps, len(iou))
    return {
        "steps": len(iou),
        "trained_steps": trained_steps,
        "behaviors": {name: whole[name] for name in BEHAVIORS},
        "pattern_behaviors": {name: pattern[name] for name in BEHAVIORS},
        "iou_as_trained": iou[trained_steps - 1],
        "iou_at_the_end": iou[-1],
        "videos": runs,
    }


def _reaction_numbers(found: Reactions) -> dict[str, Any]:
    return {
        "uncertainty": found.kind,
        **dataclasses.asdict(found.curves),
        "mean_by_frame": found.xi.mean(0),
        "foreground_by_frame": mean_of_labeled(found.foreground, 0),
        "xi": found.xi,
    }


def _figures(found: _Findings, own: FixedSchedule, halting: StepPolicy) -> dict[str, Figure]:
    inside = halting
    while isinstance(inside, Wrapper):
        inside = inside.inner
    threshold: Any = getattr(inside, "threshold", None)
    shown = threshold if np.ndim(threshold) == 0 and threshold != NEVER else None
    return {
        "correlation": figures.correlation(found.correlation, found.pattern),
        "trajectory": figures.trajectory(found.trajectory, found.video),
        "steps_vs_change": figures.steps_vs_change(
            found.steps_by_change, found.halted, policy_name(halting)
        ),
        "distance_ratios": figures.distance_ratios(found.ratios, own.slow, shown),
        "long_run": figures.long_run(found.runs, own.slow),
        "still_camera": draw_still([found.still]),
        "reaction_time": figures.reaction_time(found.reactions, own.slow),
    }


def _batches(videos: grain.MapDataset, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields frames and masks."""
    for batch in evaluation_batches(videos, size):
        yield batch.frames, batch.masks
