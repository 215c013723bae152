"""Trained models scored on what they cannot be scored on."""

import functools
import inspect

import numpy as np
import pytest
from bad_cases import Called, check_message
from configs import untrained

import rsf_jax as rsf
from rsf_jax import analysis
from rsf_jax.calibration import guarantee, reuse_trial
from rsf_jax.calibration.units import as_units, streams_of, videos_of
from rsf_jax.data.dataset import first_videos
from rsf_jax.evaluation import equal_terms, live, live_test, per_frame, testing
from rsf_jax.evaluation import sweep as tradeoff
from rsf_jax.evaluation.still import still_camera
from rsf_jax.programs import scores

ONE_STEP = rsf.FixedSchedule(1, 1)
CHOSEN = {"dataset": "t_pathfinder/quickstart", "units": {"kind": "videos"}}


@functools.cache
def _trained():
    return untrained((8, 8))


@functools.cache
def _data(classes=2, channels=1):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (8, 3, 8, 8, channels)).astype(np.uint8)
    pair = frames, frames[..., 0].astype(int) * classes // 256
    return rsf.Dataset.from_arrays(*pair, test=pair, validation=pair, calibration=pair)


def _call(function, *args, **options):
    """Calls as users do: the tests' type checker would speak first."""
    return inspect.unwrap(function)(*args, **options)


# What scores a model on a dataset: what it is called, and the call.
SCORED = {
    "evaluate": lambda data: _call(testing.evaluate, _trained(), data, "new"),
    "sweep": lambda data: _call(tradeoff.sweep, _trained(), data, "new"),
    "live_test": lambda data: _call(live_test.live_test, _trained(), data, "new"),
    "equal terms": lambda data: _call(
        equal_terms.compare_on_equal_terms, _trained(), data, equal_terms.Settings()
    ),
    "units": lambda data: _call(as_units, _trained(), data),
    "videos": lambda data: _call(videos_of, _trained(), data),
    "streams": lambda data: _call(streams_of, _trained(), data),
    "guarantee": lambda data: _call(guarantee.check, _trained(), data, "new", CHOSEN),
    "reuse": lambda data: _call(reuse_trial.trial, _trained(), data, "new", max_drop=0.1),
    "analyze": lambda data: _call(analysis.analyze, _trained(), data, "new"),
    "program": lambda data: _call(scores.scores, _trained(), ONE_STEP, data),
}
# The same of what scores it on single videos.
SCORED_ON_VIDEOS = {
    "scorer": lambda videos: _trained().scorer()(videos, ONE_STEP),
    "still camera": lambda videos: still_camera(_trained(), videos, frames=2),
    "per frame": lambda videos: list(
        per_frame.score_each(_trained(), videos, [ONE_STEP], batch_size=2)
    ),
    "streams": lambda videos: list(
        live.score_streams(_trained(), live.streams_to_test(videos, 2, 4), [ONE_STEP])
    ),
}

CASES = [
    *(
        Called(f"{name} on {what}", functools.partial(lambda c, data: c(data()), call, data), says)
        for name, call in SCORED.items()
        for what, data, says in (
            ("more classes", lambda: _data(3), "the dataset has 3 classes (0, 1, 2), the model 2"),
            ("color", lambda: _data(channels=3), "frames of 3 channels, the model of 1"),
            ("a name", lambda: "own_video/default", "dataset is 'own_video/default': an open one"),
        )
    ),
    *(
        Called(
            f"{name} on more classes",
            functools.partial(lambda call: call(_data(3).test), call),
            "masks have class 2, the model has classes 0 to 1",
        )
        for name, call in SCORED_ON_VIDEOS.items()
    ),
    *(
        Called(
            f"{videos} videos",
            functools.partial(lambda videos: _call(first_videos, _data().test, videos), videos),
            f"videos is {videos}: a whole number of at least 0",
        )
        for videos in (-1, True, 1.5)
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_model_cannot_be_scored_on_is_named(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rsf.InputError) as error:
        case.call()
    check_message(str(error.value), case.says)
    assert not list(tmp_path.iterdir())
