"""Videos through a trained model into files."""

import dataclasses
import json
import threading
import time

import av
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from filming import film
from PIL import Image

import rsf_jax as rsf
from rsf_jax.evaluation import testing as evaluation
from rsf_jax.media import open_source
from rsf_jax.media import run as runs
from rsf_jax.media.pictures import Shaper
from rsf_jax.media.play import summary_text
from rsf_jax.media.source import Source
from rsf_jax.streaming.program import Program
from rsf_jax.trained.appearance import Appearance, load_appearance

SIZE = (16, 18)
POLICY = rsf.DistanceHalting("l2", 1e-9, max_steps=4, rtol=0.1)


@pytest.fixture(scope="module")
def trained(run):
    return evaluation.load_trained(run[1])


def _scenes(count, seed=0):
    """Frames that differ in contrast, and so in how long they take."""
    rng = np.random.default_rng(seed)
    tops = rng.choice([20, 255], (count, 1, 1, 1))
    images = rng.integers(0, tops, (count, 32, 36, 1)).astype(np.uint8)
    return images.repeat(3, -1)


def _look():
    colors = np.array([[0, 0, 200], [200, 0, 0]], np.uint8)
    return Appearance(["rest", "target"], colors, SIZE, 0)


def _play(trained, tmp_path, inputs, policy=POLICY, stop=lambda: None, **settings):
    settings = runs.Settings(list(map(str, inputs)), tmp_path / "out", **settings)
    return runs.run(trained, policy, settings, stop, appearance=_look())


def _lines(tmp_path, name):
    return (tmp_path / "out" / f"{name}.jsonl").read_text().splitlines()


def test_frames_that_repeat_what_was_seen_are_counted_and_written(trained, tmp_path):
    clip = film(tmp_path / "still.mp4", _scenes(3, 1).repeat(4, 0))
    gate = rsf.ChangeGate(0.05, 0.3, POLICY)
    kinds = ("overlay", "masks", "json")
    summary = _play(trained, tmp_path, [clip], gate, write=kinds)
    (account,), told = summary.accounts, summary_text(summary)
    assert (account.read, account.done, account.repeated) == (12, 3, 9)
    assert "12 frames in" in told
    assert "75% of the frames repeat the one before" in told
    assert summary.to_json()["statistics"]["repeated"] == 9
    lines = map(json.loads, _lines(tmp_path, "still"))
    found = [(line["status"], line["steps"] > 0, line["share"]) for line in lines]
    fresh = [line.get("first", False) for line in map(json.loads, _lines(tmp_path, "still"))]
    assert fresh == [True, False, False, False] * 3
    assert [status for status, _, _ in found] == ["done", "repeated", "repeated", "repeated"] * 3
    assert [steps for _, steps, _ in found] == [True, False, False, False] * 3
    for n in range(0, 12, 4):
        assert found[n][2] == found[n + 3][2]
    assert len(list((tmp_path / "out" / "still_masks").iterdir())) == 12
    with av.open(str(tmp_path / "out" / "still.mp4")) as film_out:
        assert len(list(film_out.decode(video=0))) == 12


def test_files_go_in_and_files_come_out(trained, tmp_path):
    clips = [film(tmp_path / f"clip{n}.mp4", _scenes(n, n)) for n in (3, 7)]
    (tmp_path / "stills").mkdir()
    for i, image in enumerate(_scenes(5, 5)):
        Image.fromarray(image).save(tmp_path / "stills" / f"{i}.png")
    kinds = ("overlay", "masks", "json")
    summary = _play(trained, tmp_path, [*clips, tmp_path / "stills"], write=kinds, slots=2)
    assert [(a.name, a.read, a.done, a.problem) for a in summary.accounts] == [
        ("clip3", 3, 3, ""), ("clip7", 7, 7, ""), ("stills", 5, 5, ""),
    ]  # fmt: skip
    assert summary.statistics.done == 15
    for path, count in ((clips[0], 3), (clips[1], 7), (tmp_path / "stills", 5)):
        with open_source(path, SIZE, 1) as source:
            frames = np.stack([np.float32(p.frame) / 255 for p in source])
        out = rsf.run_video(trained.model, trained.variables, frames[None], POLICY)
        wanted = out.logits[0].argmax(-1)
        name = path.stem
        lines = (tmp_path / "out" / f"{name}.jsonl").read_text().splitlines()
        assert [json.loads(line)["steps"] for line in lines] == out.steps[0].tolist()
        for t in range(count):
            mask = np.array(Image.open(tmp_path / "out" / f"{name}_masks" / f"{t:06d}.png"))
            assert (mask == wanted[t]).mean() > 0.99  # ties of logits
            shares = json.loads(lines[t])["share"]
            assert shares["target"] == pytest.approx(100 * (mask == 1).mean(), abs=0.01)
        with av.open(str(tmp_path / "out" / f"{name}.mp4")) as film_out:
            assert len(list(film_out.decode(video=0))) == count


def test_a_file_cut_short_is_told_of_and_the_others_are_whole(trained, tmp_path):
    whole = film(tmp_path / "whole.mkv", _scenes(4))
    short = film(tmp_path / "short.mkv", _scenes(20), codec_options={"g": "1"})
    short.write_bytes(short.read_bytes()[: short.stat().st_size * 2 // 3])
    found = {a.name: a for a in _play(trained, tmp_path, [short, whole]).accounts}
    assert found["whole"].done == 4
    assert not found["whole"].problem
    assert 0 < found["short"].done < 20
    assert "short.mkv ends after" in found["short"].problem


class Camera(Source):
    """Sends frames faster than they can be computed."""

    def __init__(self, images):
        super().__init__("camera:9", "camera9", True, None, Shaper(SIZE, 1))
        self.images = images

    def _read(self):
        for i, image in enumerate(self.images):
            self.count += 1
            yield self._shaper.picture_of_image(image, i / 25)
        self.problem = f"camera:9 went away after {self.count} frames: unplugged"

    def close(self):
        pass


def test_a_camera_drops_what_is_too_much_and_counts_it(trained, tmp_path, monkeypatch):
    _instead(monkeypatch, **{"camera:9": Camera(_scenes(200))})
    clip = film(tmp_path / "clip.mp4", _scenes(6))
    kinds, policy = ("overlay", "json"), rsf.FixedSchedule(3, 3)
    summary = _play(trained, tmp_path, ["camera:9", clip], policy, write=kinds, tries=1)
    camera, file = summary.accounts
    assert camera.problem == "camera:9 went away after 200 frames: unplugged"
    assert camera.read == 200
    assert camera.dropped + camera.lost > 0
    assert camera.done + camera.dropped + camera.lost == 200
    assert (file.done, file.dropped) == (6, 0)
    lines = (tmp_path / "out" / "camera9.jsonl").read_text().splitlines()
    assert len(lines) == 200 - camera.lost
    statuses = [json.loads(line)["status"] for line in lines]
    assert statuses.count("dropped") == camera.dropped


def test_stopping_completes_the_files(trained, tmp_path):
    clip = film(tmp_path / "clip.mp4", _scenes(60))
    lines = tmp_path / "out" / "clip.jsonl"

    def stop():
        return "SIGTERM received" if lines.read_text().count("\n") > 2 else None

    summary = _play(trained, tmp_path, [clip], write=("overlay", "json"), stop=stop)
    (account,) = summary.accounts
    assert summary.stopped == "SIGTERM received"
    assert 0 < account.done < 60
    assert (account.read, account.waiting) == (account.done, 0)
    with av.open(str(tmp_path / "out" / "clip.mp4")) as video:
        assert len(list(video.decode(video=0))) == account.done


def test_so_many_frames_and_no_more(trained, tmp_path):
    clip = film(tmp_path / "clip.mp4", _scenes(9))
    (account,) = _play(trained, tmp_path, [clip], max_frames=4).accounts
    assert (account.read, account.done) == (4, 4)


def _threads():
    """All but the one that an engine has until it is collected."""
    return [t for t in threading.enumerate() if not t.name.startswith("stream_engine")]


def test_a_full_disk_ends_what_is_written_there_alone(trained, tmp_path):
    clips = [film(tmp_path / f"{n}.mp4", _scenes(20)) for n in "ab"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jsonl").symlink_to("/dev/full")
    before = _threads()
    summary = _play(trained, tmp_path, clips, write=("json", "overlay"))
    full, whole = summary.accounts
    assert "a.jsonl cannot be written: No space left" in full.problem
    assert (whole.done, whole.problem, summary.whole) == (20, "", False)
    assert _threads() == before
    assert [path.name for path in (tmp_path / "out").glob("*.mp4")] == ["b.mp4"]
    assert len(_lines(tmp_path, "b")) == 20


def _frames(path):
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def test_a_source_that_changes_its_size_is_fitted_to_its_first(trained, tmp_path):
    (tmp_path / "mixed").mkdir()
    for n, (height, width) in enumerate([(240, 320), (480, 640), (240, 640), (24, 32)]):
        image = Image.fromarray(np.full((height, width, 3), 200, np.uint8))
        image.save(tmp_path / "mixed" / f"{n}.png")
    other = film(tmp_path / "other.mp4", _scenes(4))
    inputs = [tmp_path / "mixed", other]
    kinds = ("overlay", "masks", "json")
    accounts = _play(trained, tmp_path, inputs, write=kinds, annotations=()).accounts
    assert [(a.done, a.problem) for a in accounts] == [(4, ""), (4, "")]
    frames = _frames(tmp_path / "out" / "mixed.mp4")
    assert {frame.shape for frame in frames} == {(240, 320, 3)}
    filled = [(frame.max(-1) > 60).mean() for frame in frames]
    # The third is half as high for its width: black above and below.
    np.testing.assert_allclose(filled, [1, 1, 0.5, 1], atol=0.03)
    assert len(_frames(tmp_path / "out" / "other.mp4")) == 4


class Broken(Camera):
    """Breaks down in a way that nobody has foreseen."""

    def _read(self):
        yield from super()._read()
        raise ZeroDivisionError("in the decoder")


class Stalled(Camera):
    """Sends some frames, and then nothing, whatever it is asked."""

    def _read(self):
        for picture in super()._read():
            yield picture
            time.sleep(1)
        threading.Event().wait(30)


def _instead(monkeypatch, **sources):
    opened = runs.open_source
    monkeypatch.setattr(
        runs,
        "open_source",
        lambda text, *args, **more: (
            sources[text] if text in sources else opened(text, *args, **more)
        ),
    )


def test_a_source_that_breaks_down_ends_alone(trained, tmp_path, monkeypatch):
    _instead(monkeypatch, broken=Broken(_scenes(3)))
    clip = film(tmp_path / "clip.mp4", _scenes(6))
    broken, whole = _play(trained, tmp_path, ["broken", clip]).accounts
    assert broken.problem == "it cannot be read on: ZeroDivisionError: in the decoder"
    assert (whole.done, whole.problem) == (6, "")
    assert len(_frames(tmp_path / "out" / "clip.mp4")) == 6


@pytest.mark.parametrize("how", ["stopped", "enough frames"])
def test_nobody_waits_for_a_source_that_sends_nothing(trained, tmp_path, monkeypatch, how):
    _instead(monkeypatch, stalled=Stalled(_scenes(2)))
    lines, began = tmp_path / "out" / "camera9.jsonl", time.monotonic()

    def stop():
        enough = lines.exists() and lines.read_text().count("\n") == 2
        return "SIGINT received" if how == "stopped" and enough else None

    most = 2 if how == "enough frames" else 0
    kinds = ("json", "overlay")
    summary = _play(trained, tmp_path, ["stalled"], write=kinds, stop=stop, max_frames=most)
    assert time.monotonic() - began < 25
    assert summary.accounts[0].done == 2
    assert len(_frames(tmp_path / "out" / "camera9.mp4")) == 2


def test_a_device_that_fails_once_loses_no_frame(trained, tmp_path, monkeypatch):
    clip, tick, calls = film(tmp_path / "clip.mp4", _scenes(6)), Program.tick, iter(range(1000))

    def failing(program, load):
        if next(calls) == 5:
            raise RuntimeError("RESOURCE_EXHAUSTED")
        return tick(program, load)

    monkeypatch.setattr(Program, "tick", failing)
    summary = _play(trained, tmp_path, [clip])
    assert summary.errors == ["RuntimeError: RESOURCE_EXHAUSTED"]
    assert (summary.accounts[0].done, summary.whole) == (6, True)


def test_weights_that_are_no_numbers_fail_the_stream(trained, tmp_path):
    broken = dataclasses.replace(
        trained, variables=jax.tree.map(lambda x: x * jnp.nan, trained.variables)
    )
    clip = film(tmp_path / "clip.mp4", _scenes(9))
    summary = _play(broken, tmp_path, [clip], write=("overlay", "masks", "json"))
    (account,) = summary.accounts
    assert (account.done, account.failed) == (0, 1)
    assert account.read == account.failed + account.dropped
    assert account.problem == "the state became NaN or infinite"
    assert not list((tmp_path / "out" / "clip_masks").iterdir())


def test_videos_of_one_name_get_files_of_their_own(trained, tmp_path):
    for folder in ("north", "south"):
        (tmp_path / folder).mkdir()
    clips = [film(tmp_path / folder / "door.mp4", _scenes(2)) for folder in ("north", "south")]
    _play(trained, tmp_path, clips)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["door.mp4", "door_2.mp4"]
    with pytest.raises(rsf.InputError, match=r"door\.mp4 exists already"):
        _play(trained, tmp_path, clips)
    _play(trained, tmp_path, clips, overwrite=True)


@pytest.mark.parametrize("by", ["name", "link", "other path"])
def test_what_is_read_is_never_written(trained, tmp_path, by):
    (tmp_path / "out").mkdir()
    clip = film(tmp_path / "out" / "clip.mp4", _scenes(3))
    before = clip.read_bytes()
    given = {"name": clip, "link": tmp_path / "linked" / "clip.mp4"}.get(by)
    if by == "link":
        given.parent.mkdir()
        given.symlink_to(clip)
    given = given or tmp_path / "out" / ".." / "out" / "clip.mp4"
    with pytest.raises(rsf.InputError, match=r"out/clip\.mp4 is an input: write to another"):
        _play(trained, tmp_path, [given], overwrite=True)
    assert clip.read_bytes() == before


def test_images_that_are_read_are_never_masks(trained, tmp_path):
    other = film(tmp_path / "a.mp4", _scenes(3))
    folder = tmp_path / "out" / "a_masks"
    folder.mkdir(parents=True)
    Image.fromarray(_scenes(1)[0]).save(folder / "000000.png")
    with pytest.raises(rsf.InputError, match="out/a_masks is an input"):
        _play(trained, tmp_path, [folder, other], overwrite=True, write=("masks",))
    assert (folder / "000000.png").exists()


@pytest.mark.parametrize(
    ("policy", "settings", "message"),
    [
        (rsf.DistanceHalting("l2", np.float32([1, 2]), max_steps=4), {}, "a value for each sample"),
        (POLICY, {"budget": -1.0}, "budget is -1.0: seconds above 0"),
        (POLICY, {"fit": "letterbox", "slots": -1}, "slots is -1"),
    ],
)
def test_a_run_that_cannot_begin_leaves_the_files_of_an_earlier_one(
    trained, tmp_path, policy, settings, message
):
    clip = film(tmp_path / "clip.mp4", _scenes(2))
    masks = tmp_path / "out" / "clip_masks"
    masks.mkdir(parents=True)
    (masks / "000000.png").write_text("a mask")
    (tmp_path / "out" / "clip.jsonl").write_text("a line")
    settings = {"overwrite": True, "write": ("masks", "json"), **settings}
    with pytest.raises(rsf.InputError, match=message):
        _play(trained, tmp_path, [clip], policy, **settings)
    assert (masks / "000000.png").read_text() == "a mask"
    assert _lines(tmp_path, "clip") == ["a line"]


def test_bad_settings_are_named(trained, tmp_path):
    clip = film(tmp_path / "clip.mp4", _scenes(2))
    with pytest.raises(rsf.InputError, match="no inputs"):
        _play(trained, tmp_path, [])
    with pytest.raises(rsf.InputError, match="'mask' cannot be written: choose from overlay"):
        _play(trained, tmp_path, [clip], write=("mask",))
    with pytest.raises(rsf.InputError, match="budget is -1"):
        _play(trained, tmp_path, [clip], budget=-1.0)
    with pytest.raises(rsf.InputError, match="frame_size is 36: "):
        _play(trained, tmp_path, [clip], frame_size=36)
    for name, value in (("max_frames", -1), ("tries", "5"), ("slots", 1.0)):
        with pytest.raises(
            rsf.InputError, match=f"{name} is {value!r}: a whole number of at least"
        ):
            _play(trained, tmp_path, [clip], **{name: value})
    with pytest.raises(rsf.InputError, match=r"inputs are '.*clip\.mp4': give a list of them"):
        runs.run(trained, POLICY, runs.Settings(str(clip), tmp_path / "out"), lambda: None)
    assert not (tmp_path / "out").exists()
    unknown = dataclasses.replace(_look(), frame_size=None)
    settings = runs.Settings([str(clip)], tmp_path / "out")
    with pytest.raises(rsf.InputError, match="give frame_size"):
        runs.run(trained, POLICY, settings, lambda: None, appearance=unknown)


def test_settings_may_be_texts_and_numbers_of_numpy(trained, tmp_path):
    Image.fromarray(_scenes(1)[0]).save(tmp_path / "0.png")
    settings = runs.Settings(
        [tmp_path / "0.png"],
        str(tmp_path / "out"),
        ("json", "overlay"),
        frame_size=np.array(SIZE),
        max_frames=np.int64(1),
        images_per_second=np.float32(25),
    )
    (account,) = runs.run(trained, POLICY, settings, lambda: None, appearance=_look()).accounts
    assert (account.done, account.problem) == (1, "")
    assert json.loads(_lines(tmp_path, "0")[0])["seconds"] == 0


def test_a_tall_and_narrow_image_gets_an_overlay(trained, tmp_path):
    Image.fromarray(np.zeros((4200, 64, 3), np.uint8)).save(tmp_path / "scan.png")
    (account,) = _play(trained, tmp_path, [tmp_path / "scan.png"]).accounts
    assert account.problem == ""
    with av.open(tmp_path / "out" / "scan.mp4") as container:
        assert container.streams.video[0].width == 64


def test_appearance_comes_from_the_run(run, tmp_path):
    config, workdir = run
    found = load_appearance(workdir, config)
    assert (found.frame_size, found.background, len(found.class_names)) == ((36, 36), 0, 2)
    assert load_appearance(tmp_path, config).frame_size is None
    (tmp_path / "results.json").write_text('{"class_names": ["a", "b", "c"]}')
    with pytest.raises(rsf.InputError, match="of 3 classes, the model has 2"):
        load_appearance(tmp_path, config)
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(rsf.InputError, match=r"results\.json is damaged"):
        load_appearance(tmp_path, config)
