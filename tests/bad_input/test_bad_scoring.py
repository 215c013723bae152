"""Trained models scored on what they cannot be scored on."""

import functools
import inspect

import numpy as np
import pytest
from bad_cases import Called, check_message
from configs import untrained

import rsf_jax as rsf
from rsf_jax import analysis, calibration
from rsf_jax.calibration import guarantee, reuse_trial
from rsf_jax.calibration.units import as_units, streams_of, videos_of
from rsf_jax.data import sensor
from rsf_jax.data.dataset import first_videos
from rsf_jax.evaluation import (
    comparison,
    equal_terms,
    extrapolation,
    live,
    live_settings,
    live_test,
    per_frame,
    testing,
)
from rsf_jax.evaluation import sweep as tradeoff
from rsf_jax.evaluation.still import still_camera
from rsf_jax.programs import scores
from rsf_jax.scoring.splits import OverSplit

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


def _live(**settings):
    return _make(live_settings.Settings, **settings)


def _make(kind, *args, **settings):
    """Made as users do: the tests' type checker would speak first."""
    made = object.__new__(kind)
    _call(kind.__init__, made, *args, **settings)
    return made


def _still(**options):
    return _call(still_camera, _trained(), _data().test, frames=2, **options)


def _scored_under(policy):
    scorer = _trained().scorer()
    return _call(OverSplit.__call__, scorer.func, *scorer.args, _data().test, policy)


CASES += [
    Called("NaN for noise", lambda: _still(noise=float("nan")), "noise is nan: a share from 0"),
    Called("noise below 0", lambda: _still(noise=-1), "noise is -1: a share from 0 to 1"),
    Called("noise above white", lambda: _still(noise=5.0), "noise is 5.0: a share from 0 to 1"),
    Called("a letter for noise", lambda: _still(noise="a"), "noise is 'a': a share from 0 to 1"),
    Called("half a seed", lambda: _still(seed=1.5), "seed is 1.5: a whole number of at least 0"),
    Called("a text to a still camera", lambda: _still(policy="s1f1"), "give rsf.parse_policy('s1f"),
    Called(
        "streams with NaN for noise",
        lambda: live.streams_to_test(_data().test, 2, 4, noise=float("nan")),
        "noise is nan: a share from 0",
    ),
    Called(
        "a letter for the noise of a sensor",
        lambda: _call(sensor.expose, np.zeros((1, 2, 2, 1)), np.random.default_rng(0), noise="a"),
        "noise is a: shares of white",
    ),
    Called("no noise at all", lambda: _live(noise=()), "noise is (): one share of white or more"),
    Called("noise in letters", lambda: _live(noise=("a",)), "noise is 'a': a share from 0 to 1"),
    Called("one noise", lambda: _live(noise=0.1), "noise is 0.1: one share of white or more"),
    Called("no such split", lambda: _live(split="tset"), "split is 'tset': choose one of test"),
    Called("a split to calibrate on", lambda: _live(split="calibration"), "choose one of test"),
    Called("texts for policies", lambda: _live(policies=("s1f1",)), "give rsf.parse_policy("),
    Called("one policy", lambda: _live(policies=ONE_STEP), "a list of step policies is needed"),
    Called(
        "texts for the still camera's", lambda: _live(still_policies=["s1f1"]), "rsf.parse_policy("
    ),
    Called("one kind", lambda: _live(kinds="gate"), "kinds is 'gate': a list is needed"),
    Called("no such kind", lambda: _live(kinds=["gates"]), "kinds is 'gates': choose one of sche"),
    Called("no gate", lambda: _live(gate="s1f1"), "gate is 's1f1': give gate:SKIP:CUT"),
    Called("a gate of words", lambda: _live(gate="gate:a:b"), "policy 'gate:a:b+s1f1'"),
    Called("half a stream", lambda: _live(streams=0.5), "streams is 0.5: a whole number"),
    Called("no frames", lambda: _live(frames=0), "frames is 0: a whole number of at least 1"),
    Called("a seed below 0", lambda: _live(seed=-1), "seed is -1: a whole number of at least 0"),
    Called(
        "equal terms on videos below 0",
        lambda: _make(equal_terms.Settings, videos=-1),
        "videos is -1: a whole number of at least 0",
    ),
    Called("no cap", lambda: _make(equal_terms.Settings, cap=0), "cap is 0: a whole number"),
    Called("a gate by number", lambda: _make(equal_terms.Settings, gate=3), "gate is 3: give"),
    Called("timed at times", lambda: _make(equal_terms.Settings, timed="no"), "timed is 'no'"),
    Called(
        "one dataset for several",
        lambda: _make(extrapolation.Settings, "mazes/static7"),
        "datasets is 'mazes/static7': a list of names",
    ),
    Called(
        "half a step",
        lambda: _make(extrapolation.Settings, ("mazes/static7",), (0.5,)),
        "counts is 0.5: a whole number",
    ),
    Called(
        "halting that is none",
        lambda: _make(extrapolation.Settings, ("mazes/static7",), halting=("s9",)),
        "policy 's9' is unknown",
    ),
    Called(
        "a text to a test",
        lambda: _call(testing.evaluate, _trained(), _data(), "new", "s1f1"),
        "policy is 's1f1': give rsf.parse_policy('s1f1')",
    ),
    Called(
        "a text to an analysis",
        lambda: _call(analysis.analyze, _trained(), _data(), "new", policy="s1f1"),
        "policy is 's1f1': give rsf.parse_policy('s1f1')",
    ),
    Called(
        "a text to a scorer",
        lambda: _scored_under("s1f1"),
        "policy is 's1f1': give rsf.parse_policy('s1f1')",
    ),
    Called(
        "one policy to a sweep",
        lambda: _call(tradeoff.sweep, _trained(), _data(), "new", ONE_STEP),
        "a list of step policies is needed, such as [rsf.FixedSchedule(8, 2)]",
    ),
    Called(
        "a text to streams",
        lambda: list(_call(live.score_streams, _trained(), _data().test, ["s1f1"])),
        "policy is 's1f1': give rsf.parse_policy('s1f1')",
    ),
    Called(
        "one policy to each video",
        lambda: list(_call(per_frame.score_each, _trained(), _data().test, ONE_STEP, batch_size=2)),
        "a list of step policies is needed",
    ),
]


# What leaves files, with the folder that it is given.
LEAVES = {
    "evaluate": lambda folder: _call(testing.evaluate, _trained(), _data(), folder),
    "sweep": lambda folder: _call(tradeoff.sweep, _trained(), _data(), folder),
    "live_test": lambda folder: _call(live_test.live_test, _trained(), _data(), folder),
    "calibrate": lambda folder: _call(
        calibration.calibrate, _trained(), _data(), folder, calibration.Target("steps", 20.0)
    ),
    "analyze": lambda folder: _call(analysis.analyze, _trained(), _data(), folder),
    "compare": lambda folder: _call(comparison.compare, {}, folder),
}


@pytest.mark.parametrize("leave", LEAVES.values(), ids=LEAVES)
def test_a_folder_that_cannot_be_written_to_is_named_before_the_work(leave, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(rsf.InputError) as error:
        leave(str(tmp_path / "file" / "new"))
    check_message(str(error.value), "cannot be written to (Not a directory): choose another folder")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_model_cannot_be_scored_on_is_named(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rsf.InputError) as error:
        case.call()
    check_message(str(error.value), case.says)
    assert not list(tmp_path.iterdir())
