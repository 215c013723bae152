"""What a model says after every step."""

import base64
import io

import jax
import numpy as np
import pytest
from PIL import Image
from recurrences import Heavy, TinyModel

import rsf_jax as rsf
from rsf_jax.data.batch import Batch
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation import testing as evaluation
from rsf_jax.evaluation.playback import playback, predictions_by_step
from rsf_jax.trained.appearance import appearance_of
from rsf_jax.trained.model import Trained

POLICIES = ("s3f2", "l2:0.5:4", "gate:0.0:0.05+s3f1", "refresh:2+s3f1")


@pytest.fixture(scope="module")
def trained(run):
    return evaluation.load_trained(run[1])


@pytest.fixture(scope="module")
def batch(run):
    return next(evaluation_batches(open_dataset(run[0]).test, 2))


def _classes(trained, frames, policy):
    out = trained.run(frames[None], policy)
    return np.asarray(out.logits[0].argmax(-1)), np.asarray(out.steps[0])


@pytest.mark.parametrize("text", POLICIES)
def test_the_last_map_of_a_frame_is_what_the_model_says(trained, batch, text):
    policy, frames = rsf.parse_policy(text), batch.frames[0].repeat(2, 0)
    last, steps = _classes(trained, frames, policy)
    found = predictions_by_step(trained, frames, policy)
    assert [n for _, n in found] == steps.tolist()
    for t, (maps, n) in enumerate(found):
        assert len(maps) == max(n, 1)
        assert (maps[-1] == last[t]).mean() > 0.99  # ties of logits


def test_maps_before_the_last_are_those_of_fewer_steps(trained, batch):
    frames = batch.frames[0]
    (first, _), (second, _) = predictions_by_step(trained, frames[:2], rsf.FixedSchedule(3, 3))
    for n in (1, 2):
        fewer, _ = _classes(trained, frames[:1], rsf.FixedSchedule(n, n))
        assert (first[n - 1] == fewer[0]).mean() > 0.99
        # On the second frame after all steps of the first.
        fewer, _ = _classes(trained, frames[:2], rsf.FixedSchedule(3, n))
        assert (second[n - 1] == fewer[1]).mean() > 0.99


def test_maps_before_the_last_are_steered_too():
    config, model = rsf.get_config("quickstart"), TinyModel()
    frames = np.random.default_rng(0).random((1, 16, 16, 1), np.float32)
    steered = Trained(config, config, model, model.init(jax.random.key(0), frames[None]), 0)
    ((maps, _),) = predictions_by_step(steered, frames, Heavy(rsf.FixedSchedule(4, 4)))
    for n in (1, 2, 3):
        fewer, _ = _classes(steered, frames, Heavy(rsf.FixedSchedule(n, n)))
        np.testing.assert_array_equal(maps[n - 1], fewer[0])
    plain, _ = _classes(steered, frames, rsf.FixedSchedule(2, 2))
    assert (maps[1] != plain[0]).any()


def _image(address):
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_images_hold_frames_and_classes(trained, batch):
    look = appearance_of(2)
    found = playback(trained, batch, rsf.FixedSchedule(3, 1), look)
    assert (found["policy"], found["size"]) == ("s3f1", list(batch.masks.shape[2:]))
    assert len(found["videos"]) == 2
    video = found["videos"][1]
    assert [frame["steps"] for frame in video[:2]] == [[1, 2, 3], [1]]
    np.testing.assert_array_equal(np.array(_image(video[0]["frame"])), batch.frames[1, 0, ..., 0])
    truth = _image(video[0]["truth"])
    np.testing.assert_array_equal(np.array(truth), batch.masks[1, 0])
    colors = np.array(truth.convert("RGBA"))
    target = batch.masks[1, 0] == 1
    assert (colors[target] == [*look.colors[1], 255]).all()
    assert (colors[batch.masks[1, 0] == 0, 3] == 0).all()
    (maps, _), *_ = predictions_by_step(trained, batch.frames[1], rsf.FixedSchedule(3, 1))
    np.testing.assert_array_equal(np.array(_image(video[0]["maps"][1])), maps[1])
    hits, union = (maps[1] == 1) & target, (maps[1] == 1) | target
    assert video[0]["iou"][1] == pytest.approx(hits.sum() / union.sum(), abs=1e-3)


def test_long_videos_and_large_frames_are_thinned_out(trained):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (1, 20, 30, 600, 1), dtype=np.uint8)
    masks = rng.integers(0, 2, (1, 20, 30, 600), dtype=np.uint8)
    batch = Batch(frames, masks, np.ones(1, np.float32))
    found = playback(trained, batch, rsf.FixedSchedule(20, 1), appearance_of(2))
    assert (len(found["videos"][0]), found["size"]) == (12, [10, 200])
    first = found["videos"][0][0]
    assert (len(first["maps"]), first["steps"][0], first["steps"][-1]) == (12, 1, 20)
    assert first["frame"].startswith("data:image/jpeg")


class ManyChannels(TinyModel):
    @property
    def input_channels(self):
        return self.channels


@pytest.mark.parametrize("channels", [2, 4, 5])
@pytest.mark.parametrize(("size", "kind"), [(16, "png"), (100, "jpeg")])
def test_frames_of_other_channels_are_shown_gray(channels, size, kind):
    config, model = rsf.get_config("quickstart"), ManyChannels(channels)
    frames = np.zeros((1, 1, size, size, channels), np.uint8)
    frames[..., 0] = 40 * channels
    shown = Trained(config, config, model, model.init(jax.random.key(0), frames), 0)
    batch = Batch(frames, np.zeros(frames.shape[:-1], np.uint8), np.ones(1, np.float32))
    ((frame,),) = playback(shown, batch, rsf.FixedSchedule(1, 1), appearance_of(2))["videos"]
    assert frame["frame"].startswith(f"data:image/{kind}")
    assert set(np.unique(np.array(_image(frame["frame"])))) == {40}


def test_a_model_without_steps_has_one_map_a_frame(batch):
    config = rsf.get_config("quickstart_ff6").replace(channels=2, kernel_size=3)
    model = rsf.build_model(config)
    variables = jax.jit(model.init)(jax.random.key(0), batch.frames[:1])
    trained = Trained(config, config, model, variables, 0)
    found = predictions_by_step(trained, batch.frames[0], rsf.FixedSchedule(1, 1))
    assert [len(maps) for maps, _ in found] == [1] * len(batch.frames[0])
