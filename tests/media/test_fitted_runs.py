"""Frames of another shape than the model's through a trained model, and what users are told."""

import dataclasses
import functools
import io
import json

import av
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filming import film
from PIL import Image
from rich.console import Console

import rsf_jax as rsf
from rsf_jax.evaluation import testing as evaluation
from rsf_jax.media import Fit, open_source, play
from rsf_jax.media import run as runs
from rsf_jax.media.feed import Feed
from rsf_jax.media.late import LateSource
from rsf_jax.media.outputs import Outputs
from rsf_jax.media.pictures import Shaper
from rsf_jax.media.source import Source, UnreachableError
from rsf_jax.trained.appearance import Appearance

SIZE = (16, 18)
POLICY = rsf.DistanceHalting("l2", 1e-9, max_steps=4, rtol=0.1)
WIDE = (32, 72)  # pixels: twice the model's height, four times its width


@pytest.fixture(scope="module")
def trained(run):
    return evaluation.load_trained(run[1])


def _scenes(count, size=WIDE, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (count, size[0] // 4, size[1] // 4, 1)).astype(np.uint8)
    return coarse.repeat(4, 1).repeat(4, 2).repeat(3, -1)


def _play(trained, tmp_path, *inputs, **settings):
    told = []
    colors = np.array([[0, 0, 200], [200, 0, 0]], np.uint8)
    look = Appearance(["rest", "target"], colors, SIZE, 0)
    settings = {"annotations": (), "write": ("masks", "json")} | settings
    settings = runs.Settings(list(map(str, inputs)), tmp_path / "out", **settings)
    summary = runs.run(trained, POLICY, settings, lambda: None, appearance=look, tell=told.append)
    return summary, told


def _masks(tmp_path, name="clip"):
    paths = sorted((tmp_path / "out" / f"{name}_masks").iterdir())
    return np.stack([np.array(Image.open(path)) for path in paths])


def _lines(tmp_path, name="clip"):
    return [
        json.loads(line) for line in (tmp_path / "out" / f"{name}.jsonl").read_text().splitlines()
    ]


@pytest.mark.parametrize("fit", ["tiles:1", "crop"])
def test_each_frame_of_the_model_is_a_video_and_masks_are_the_sources(trained, tmp_path, fit):
    clip = film(tmp_path / "clip.mkv", _scenes(5))
    summary, told = _play(trained, tmp_path, clip, fit=fit, slots=2)
    with open_source(clip, SIZE, 1, fit=fit) as source:
        pictures = list(source)
    shown = np.float32([p.frames for p in pictures]).swapaxes(0, 1) / 255
    out = rsf.run_video(trained.model, trained.variables, shown, POLICY)
    classes = np.asarray(out.logits.argmax(-1))  # [N, T, H, W]
    way = Fit(fit, WIDE, SIZE)
    wanted = np.stack([way.mask(list(classes[:, t])) for t in range(5)])
    assert len(shown) == {"tiles:1": 3}.get(fit, 1)
    found = _masks(tmp_path)
    assert found.shape == (5, *WIDE)
    assert (found == wanted).mean() > 0.99  # ties of logits
    (account,) = summary.accounts
    assert (account.read, account.done, account.waiting, account.problem) == (5, 5, 0, "")
    assert account.steps == int(out.steps.sum())
    assert "5 frames in" in play.summary_text(summary)
    lines = _lines(tmp_path)
    assert [line["steps"] for line in lines] == np.asarray(out.steps).max(0).tolist()
    for line, mask in zip(lines, found):
        seen = mask[mask != 255]
        assert line["share"]["target"] == pytest.approx(100 * (seen == 1).mean(), abs=0.01)
    assert (fit == "crop") == (found == 255).any()
    assert told == []


def test_what_a_crop_leaves_out_is_darker_and_has_no_class(trained, tmp_path):
    image = np.full((1, 64, 320, 3), 200, np.uint8)
    clip = film(tmp_path / "clip.mkv", image)
    _play(trained, tmp_path, clip, fit="crop", write=("overlay",))
    with av.open(str(tmp_path / "out" / "clip.mp4")) as video:
        (frame,) = video.decode(video=0)
    shown = frame.to_ndarray(format="rgb24")
    assert np.abs(shown[:, :100].astype(int) - 100).max() < 12
    assert shown[:, 140:180].max() > 150


def test_squeezing_is_told_once_of_each_input_and_names_are_shown_as_they_are(
    trained, tmp_path, monkeypatch
):
    wide = film(tmp_path / "Title [dQ4] :b:.mp4", _scenes(3))
    broken = film(tmp_path / "x.mkv", _scenes(9, (32, 36)), codec_options={"g": "1"})
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size * 2 // 3])
    broken = broken.rename(tmp_path / "[b]x[b].mkv")
    (tmp_path / "stills").mkdir()
    for n, height in enumerate((12, 16, 32)):
        Image.new("RGB", (64, height)).save(tmp_path / "stills" / f"{n}.png")
    shown = io.StringIO()
    monkeypatch.setattr(play, "table_console", lambda: Console(file=shown, width=200))
    inputs = wide, broken, tmp_path / "stills"
    summary, told = _play(trained, tmp_path, *inputs, write=("json",))
    assert sorted(text.partition(" squeezed")[0] for text in told) == [
        "Title [dQ4] :b:.mp4: 72x32",
        "stills/: 64x12",
    ]
    assert "makes all 2.00 times as narrow; fit=letterbox, " in "".join(told)
    notes = [account["notes"] for account in summary.to_json()["accounts"]]
    assert [len(texts) for texts in notes] == [1, 0, 1]
    assert " Title [dQ4] :b: " in shown.getvalue()
    assert " [b]x[b] " in shown.getvalue()
    assert "problem: [b]x[b].mkv ends after" in play.summary_text(summary)


class Camera(Source):
    """Sends frames faster than they can be computed."""

    def __init__(self, count):
        super().__init__("camera:9", "camera9", True, None, Shaper(SIZE, 1, "tiles:1"))
        self.frames = count

    def _read(self):
        for n, image in enumerate(_scenes(self.frames)):
            self.count += 1
            yield self._shaper.picture_of_image(image, n / 25, n)
        self.problem = "camera:9 went away"

    def close(self):
        pass


def test_tiles_of_a_camera_are_dropped_together(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "open_source", lambda *_, **__: Camera(60))
    summary, _ = _play(trained, tmp_path, "camera:9", fit="tiles:1", tries=0)
    (account,) = summary.accounts
    assert account.read == 60 == account.done + account.dropped + account.lost
    assert account.done > 0
    done = [line["frame"] for line in _lines(tmp_path, "camera9") if line["status"] == "done"]
    assert len(_masks(tmp_path, "camera9")) == len(done) == account.done


def test_a_camera_that_was_opened_again_is_counted(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "LateSource", functools.partial(LateSource, wait=0.01))
    left = [2, 2, 2]

    def open_it(*_, **__):
        if not left:
            raise UnreachableError("camera:9 is away")
        return Camera(left.pop())

    monkeypatch.setattr(runs, "open_source", open_it)
    summary, _ = _play(trained, tmp_path, "camera:9", fit="tiles:1", tries=2)
    account = summary.to_json()["accounts"][0]
    assert (account["reconnects"], account["read"]) == (4, 6)
    assert "camera9 was opened again 4 times" in play.summary_text(summary)
    assert account["problem"] == "camera:9 is away"


def test_a_tile_that_fails_ends_its_video(trained, tmp_path):
    broken = dataclasses.replace(
        trained, variables=jax.tree.map(lambda x: x * jnp.nan, trained.variables)
    )
    clip = film(tmp_path / "clip.mkv", _scenes(6))
    summary, _ = _play(broken, tmp_path, clip, fit="tiles:1")
    (account,) = summary.accounts
    assert account.done == 0
    assert account.failed >= 1
    assert account.read == account.failed + account.dropped
    assert account.problem == "the state became NaN or infinite"
    assert list((tmp_path / "out" / "clip_masks").iterdir()) == []


def test_a_video_of_another_size_midway_has_the_same_tiles(tmp_path):
    for n, (height, width) in enumerate([(32, 72), (64, 64)]):
        Image.new("RGB", (width, height), (n, 9, 200)).save(tmp_path / f"{n}.png")
    with open_source(tmp_path, SIZE, 1, fit="tiles:1") as source:
        pictures = list(source)
    assert [p.frames.shape for p in pictures] == [(3, *SIZE, 1)] * 2
    masks = [p.mask(np.zeros((3, *SIZE), np.uint8)) for p in pictures]
    assert [mask.shape for mask in masks] == [(32, 72), (64, 64)]


def test_too_many_tiles_are_refused_before_anything_is_written(trained, tmp_path):
    clip = film(tmp_path / "clip.mkv", _scenes(2, (480, 640)))
    with pytest.raises(rsf.InputError, match="cover 640x480, and 256 are the most"):
        _play(trained, tmp_path, clip, fit="tiles")
    assert not (tmp_path / "out").exists()
    with pytest.raises(rsf.InputError, match="fit is 'tile': choose squeeze"):
        _play(trained, tmp_path, clip, fit="tile")


def test_a_video_with_too_many_tiles_leaves_the_others_their_places(trained, tmp_path):
    engine = trained.engine(
        POLICY, SIZE, slots=1, max_streams=4, transform=lambda x: x.argmax(-1).astype(jnp.uint8)
    )
    look = Appearance(["rest", "target"], np.zeros((2, 3), np.uint8), SIZE, 0)
    feeds = []
    for name, width in (("five", 76), ("three", 40)):
        folder = tmp_path / name
        folder.mkdir()
        Image.new("RGB", (width, SIZE[0]), (9, 99, 9)).save(folder / "0.png")
        source = open_source(folder, SIZE, 1, fit="tiles:1")
        outputs = Outputs(tmp_path / "out", name, (), look, None)
        feeds.append(Feed(source, engine, name, None, outputs))
    five, three = play.play(engine, feeds).accounts
    assert "4 streams are open" in five.problem
    assert (three.read, three.done, three.problem) == (1, 1, "")


def test_sound_is_kept_if_it_is_asked_for(trained, tmp_path):
    clip = film(tmp_path / "clip.mkv", _scenes(8), sound=2.0)
    silent = film(tmp_path / "silent.mp4", _scenes(2))
    settings = {"fit": "crop", "write": ("overlay",), "sound": True, "max_frames": 5}
    summary, told = _play(trained, tmp_path, clip, silent, **settings)
    with av.open(str(tmp_path / "out" / "clip.mp4")) as video:
        assert [stream.type for stream in video.streams] == ["video", "audio"]
        assert len(list(video.decode(video=0))) == 5
        (sound,) = video.streams.audio
        assert float(sound.duration * sound.time_base) == pytest.approx(0.5, abs=0.13)
    assert told == ["silent.mp4: it has no sound"]
    assert summary.whole


def test_what_was_damaged_is_in_the_summary(trained, tmp_path):
    path = film(tmp_path / "clip.avi", _scenes(10, (32, 36)), "mjpeg")
    content = bytearray(path.read_bytes())
    starts = [at for at in range(len(content)) if content[at : at + 3] == b"\xff\xd8\xff"]
    content[starts[4] : starts[5] - 16] = bytes(starts[5] - 16 - starts[4])
    path.write_bytes(content)
    summary, _ = _play(trained, tmp_path, path)
    (account,) = summary.accounts
    assert (account.skipped, account.damaged, account.read) == (1, 0, 9)
    assert "1 could not be decoded, 0 were patched up" in play.summary_text(summary)
    assert [line["frame"] for line in _lines(tmp_path)] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
