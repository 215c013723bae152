"""Datasets of videos that are arrays in memory."""

import inspect
import json
import logging

import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax import experiment
from rsf_jax.evaluation.testing import evaluate

SHAPE = (12, 3, 10, 9, 1)


def _arrays(count=12, classes=2, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (count, *SHAPE[1:])).astype(np.uint8)
    masks = frames[..., 0].astype(np.int64) * classes // 256
    return (frames if dtype == np.uint8 else (frames / 255).astype(dtype)), masks


def _full(count=12, **options):
    """As paint programs have masks: 255 for the object."""
    frames, masks = _arrays(count, **options)
    return frames, masks * 255


def _constant(value):
    frames, masks = _arrays(4)
    return frames, np.full_like(masks, value)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_arrays_are_divided_and_read_as_they_are(dtype):
    frames, masks = _arrays(dtype=dtype)
    test = _arrays(4, dtype=dtype, seed=1)
    data = rsf.Dataset.from_arrays(frames, masks, test=test, validation=0.25)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [9, 3, 4]
    assert data.calibration is None
    assert data.frame_shape == (10, 9)
    assert data.class_names == ["0", "1"]
    videos = [*data.train, *data.validation]
    found = sorted(video["frames"].tobytes() for video in videos)
    assert found == sorted(video.tobytes() for video in _arrays()[0])
    for video in videos:
        assert video["frames"].dtype == video["masks"].dtype == np.uint8
        np.testing.assert_array_equal(video["masks"], video["frames"][..., 0] // 128)


def test_of_two_classes_and_masks_of_0_and_255_alone_255_is_the_object(caplog):
    with caplog.at_level(logging.WARNING, "rsf_jax"):
        data = rsf.Dataset.from_arrays(*_full(), test=_full(4), class_names=["sky", "bird"])
    assert caplog.messages == ["masks hold 0 and 255: 255 is read as class 1, bird"]
    for video in [*data.train, *data.validation, *data.test]:
        np.testing.assert_array_equal(video["masks"], video["frames"][..., 0] // 128)


def test_255_is_unlabeled_beside_ones_and_where_it_is_said_so():
    frames, masks = _arrays()
    masks[3, 0, 0] = 255
    data = rsf.Dataset.from_arrays(frames, masks, test=_arrays(4))
    assert sum((v["masks"] == 255).sum() for v in [*data.train, *data.validation]) == SHAPE[3]
    data = rsf.Dataset.from_arrays(*_arrays(), test=_full(4), ignored=255)
    assert set(np.unique(data.test[0]["masks"])) == {0, 255}


def test_another_value_may_be_unlabeled():
    frames, masks = _arrays(classes=3)
    data = rsf.Dataset.from_arrays(frames, masks - 1, test=_arrays(4, classes=2), ignored=-1)
    assert data.class_names == ["0", "1"]
    for video in [*data.train, *data.validation]:
        lowest = video["frames"][..., 0] < 86
        np.testing.assert_array_equal(video["masks"] == 255, lowest)


def test_classes_that_a_split_has_not_are_told(caplog):
    with caplog.at_level(logging.WARNING, "rsf_jax"):
        rsf.Dataset.from_arrays(*_arrays(classes=3), test=_arrays(4), class_names=["a", "b", "c"])
    assert caplog.messages == ["no mask of test videos has a pixel of c"]


def test_the_identity_is_that_of_the_values():
    frames, masks = _arrays()
    test = _arrays(4, seed=1)

    def digest(frames, masks):
        return rsf.Dataset.from_arrays(frames, masks, test=test).identity.digest

    changed = masks.copy()
    changed[3, 0, 0, 0] = 255
    assert digest(frames, masks) == digest(frames.copy(), masks.astype(np.uint8))
    assert digest(frames, masks) != digest(frames, changed)


def test_a_model_is_trained_and_tested_on_arrays(tmp_path):
    data = rsf.Dataset.from_arrays(
        *_arrays(classes=3),
        test=_arrays(4, classes=3, seed=1),
        validation=_arrays(3, classes=3, seed=2),
        calibration=_arrays(5, classes=3, seed=3),
        class_names=["ground", "path", "wall"],
        colors=[[0, 0, 0], [0, 200, 0], [90, 90, 90]],
        background=2,
    )
    assert len(data.calibration) == 5
    config = rsf.get_config("own_s2f1").replace(
        channels=2, kernel_size=3, updates=2, batch_size=4, eval_batch_size=2, devices=1
    )
    experiment.run(config, tmp_path, data)
    trained = rsf.load_trained(tmp_path)
    assert (trained.config.classes, trained.config.input_channels) == (3, 1)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["colors"] == [[0, 0, 0], [0, 200, 0], [90, 90, 90]]
    assert results["background"] == trained.appearance.background == 2
    assert results["test"]["miou"] == pytest.approx(
        evaluate(trained, data, tmp_path)["test"]["miou"]
    )
    # It is resumed on the same values, and on no others.
    experiment.run(config, tmp_path, data)
    other = rsf.Dataset.from_arrays(
        *_arrays(classes=3, seed=9), test=_arrays(4, classes=3, seed=1), class_names=list("abc")
    )
    with pytest.raises(rsf.InputError, match="arrays"):
        experiment.run(config, tmp_path, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"frames": np.zeros((3, 10, 9, 1), np.uint8)},
            r"shape \(3, 10, 9, 1\): \[V, T, H, W, C\]",
        ),
        ({"frames": np.zeros(SHAPE, np.int32)}, "training videos are int32: uint8"),
        ({"frames": np.full(SHAPE, 200.0)}, r"not in 0\.\.1: divide them by white"),
        ({"frames": np.full(SHAPE, np.nan)}, r"not in 0\.\.1"),
        ({"masks": np.zeros((12, 3, 9, 10), int)}, r"shape \(12, 3, 9, 10\): that of the frames"),
        ({"masks": np.full(SHAPE[:-1], -1)}, "values from -1 to -1: classes are numbered from 0"),
        ({"masks": np.full(SHAPE[:-1], 300)}, "values from 300 to 300"),
        ({"masks": np.zeros(SHAPE[:-1])}, "float64: numbers of classes are needed"),
        (
            {"masks": np.full(SHAPE[:-1], 255), "test": _constant(255)},
            "every pixel of all masks is 255: that is 1 everywhere, or nothing is labeled",
        ),
        ({"masks": np.full(SHAPE[:-1], 255)}, "no pixel of train videos is labeled"),
        (
            {"masks": np.zeros(SHAPE[:-1], int), "test": _constant(0), "class_names": ["a", "b"]},
            "no mask has a pixel of class 1, b",
        ),
        (
            {"masks": _arrays()[1] * 255, "test": _full(4), "class_names": ["a", "b", "c"]},
            "all masks hold 0 and 255 alone, which is a and unlabeled, where 3 classes are named",
        ),
        (
            {"test": _full(4)},
            "video hold 1, of a test video 0 and 255: give ignored=255 if 255 is unl",
        ),
        ({"test": _full(4), "ignored": -1}, "test videos hold 255 and ignored is -1: write -1"),
        ({"ignored": 0.5}, "ignored is 0.5: a whole number"),
        ({"masks": np.full(SHAPE[:-1], 2), "class_names": ["a", "b"]}, "2 names, the masks have 3"),
        ({"background": 2}, "background is 2: give a class from 0 to 1, or None"),
        # To Python these are in a range; pictures cannot be made with them, after training.
        ({"background": 1.0}, "background is 1.0: give a class from 0 to 1, or None"),
        ({"background": True}, "background is True: give a class from 0 to 1, or None"),
        ({"validation": 1.0}, "validation is 1.0: a share below 1 is needed"),
        ({"validation": 1}, "validation is 1: a share below 1 is needed"),
        ({"validation": np.nan}, "validation is nan: a share below 1 is needed"),
        ({"validation": True}, "validation is True: a share below 1 is needed"),
        ({"validation": 0.99}, "validation is 0.99: of 12 training videos"),
        ({"frames": [np.zeros((n, 9, 9, 1)) for n in (2, 3)]}, "frames of training videos are no"),
        ({"masks": [np.zeros((n, 9, 9), int) for n in (2, 3)]}, "masks of training videos are no"),
        ({"colors": [[0, 0, 0], [0]]}, "colors are no array"),
        ({"class_names": 5}, "class_names is 5: a list of different texts"),
        ({"class_names": "ab"}, "class_names is 'ab': a list of different texts"),
        ({"class_names": [0, 1]}, r"class_names is \[0, 1\]: a list of different texts"),
        ({"class_names": ["a", "a"]}, r"class_names is \['a', 'a'\]: a list of different texts"),
        ({"class_names": []}, "class_names has 0 names, the masks have 2 classes"),
        ({"background": "a"}, "background is 'a': give a class from 0 to 1, or None"),
        ({"validation": ()}, r"validation videos: a pair \(frames, masks\) is needed"),
        ({"test": _arrays(4)[:1]}, r"test videos: a pair \(frames, masks\) is needed"),
        ({"colors": [[0, 0, 0]]}, r"colors are int64 \[1, 3\]: red, green and blue, whole num"),
        ({"colors": [[0, 0, 0], [0, 0, 256]]}, "are needed for each of 2 classes"),
        ({"colors": [[0, 0, 0], [0, 0, 0.5]]}, "colors are float64"),
        ({"test": (np.zeros((2, 3, 8, 9, 1), np.uint8), np.zeros((2, 3, 8, 9), int))}, "one size"),
    ],
)
def test_what_cannot_be_used_is_named(changes, message):
    frames, masks = _arrays()
    given = {"frames": frames, "masks": masks, "test": _arrays(4)} | changes
    with pytest.raises(rsf.InputError, match=message):
        # As users call it: the tests' type checker would speak first.
        inspect.unwrap(rsf.Dataset.from_arrays.__func__)(rsf.Dataset, **given)


def test_names_may_be_an_array():
    names = np.array(["sky", "bird"])
    data = inspect.unwrap(rsf.Dataset.from_arrays.__func__)(
        rsf.Dataset, *_arrays(), test=_arrays(4), class_names=names
    )
    assert json.dumps(data.class_names) == '["sky", "bird"]'


def test_settings_that_are_not_the_datasets_are_named(tmp_path):
    data = rsf.Dataset.from_arrays(*_arrays(), test=_arrays(4))
    config = rsf.get_config("own_s2f1").replace(classes=5)
    with pytest.raises(rsf.InputError, match=r"config\.classes is 5, the dataset has 2"):
        experiment.run(config, tmp_path, data)
