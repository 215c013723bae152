"""Sound beside the videos that are made of a file."""

import av
import numpy as np
import pytest
from filming import RATE, add_tone, film, scenes

from rsf_jax.media import VideoWriter
from rsf_jax.media.sound import add_sound


def _video(path, count):
    with VideoWriter(path, RATE) as writer:
        for image in scenes(count):
            writer.write(image)
    return path


def _sound(path):
    """Samples by their times, in seconds."""
    with av.open(path) as container:
        (stream,) = container.streams.audio
        frames = [(frame.time, frame.to_ndarray()[0]) for frame in container.decode(stream)]
        name = stream.codec_context.name
    times = np.concatenate([t + np.arange(len(x)) / 16000 for t, x in frames])
    return name, times, np.concatenate([x.astype(float) for _, x in frames])


def _loud(times, samples, begin, end):
    return np.abs(samples[(times >= begin) & (times < end)]).max()


@pytest.mark.parametrize(
    ("suffix", "codec", "kept"),
    [(".mp4", "aac", "aac"), (".mkv", "flac", "flac"), (".mkv", "pcm_s16le", "aac")],
)
def test_sound_is_copied_or_coded_and_as_long_as_the_video(tmp_path, suffix, codec, kept):
    source = film(tmp_path / f"source{suffix}", scenes(20))
    with av.open(tmp_path / f"loud{suffix}", "w") as out:
        stream = out.add_stream(codec, rate=16000, layout="mono")
        add_tone(out, stream, 2.0, quiet_before=1.0)
    video = _video(tmp_path / "video.mp4", 12)
    # From half a second of the source on.
    assert add_sound(video, tmp_path / f"loud{suffix}", 0.5, 1.2) == ""
    name, times, samples = _sound(video)
    assert name == kept
    assert times[-1] == pytest.approx(1.2, abs=0.1)
    scale = np.abs(samples).max()
    assert _loud(times, samples, 0.1, 0.4) < 0.1 * scale
    assert _loud(times, samples, 0.65, 1.1) > 0.5 * scale
    with av.open(video) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 12
    assert [frame.time for frame in frames] == pytest.approx(np.arange(12) / RATE, abs=1e-3)
    assert source.exists()


def test_a_file_that_is_called_as_one_on_its_way_is_left_alone(tmp_path):
    with av.open(tmp_path / "loud.mp4", "w") as out:
        add_tone(out, out.add_stream("aac", rate=16000, layout="mono"), 1.0)
    others = [tmp_path / "video.sound.mp4", tmp_path / "video.mp4.unfinished"]
    for other in others:
        other.write_text("mine")
    assert add_sound(_video(tmp_path / "video.mp4", 3), tmp_path / "loud.mp4", 0.0, 0.3) == ""
    assert [other.read_text() for other in others] == ["mine", "mine"]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_file_without_sound_or_that_is_gone_leaves_the_video(tmp_path):
    video = _video(tmp_path / "video.mp4", 3)
    before = video.read_bytes()
    quiet = film(tmp_path / "quiet.mp4", scenes(3))
    assert add_sound(video, quiet, 0.0, 0.3) == "it has no sound"
    assert "cannot be kept: No such file" in add_sound(video, tmp_path / "none.mp4", 0.0, 0.3)
    assert video.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quiet.mp4", "video.mp4"]
