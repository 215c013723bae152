import functools
import gc
import http.server
import socket
import sys
import threading
import time
import types

import av
import numpy as np
import pytest
from av.device import DeviceInfo
from filming import HEIGHT, RATE, WIDTH, cut, film, noise, record, scenes

from rsf_jax.errors import InputError
from rsf_jax.media import cameras, open_source


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "libx264"), (".mkv", "libx264"), (".avi", "mpeg4"), (".ts", "libx264")],
)
def test_a_file_gives_back_its_frames_in_order_and_time(tmp_path, suffix, codec):
    images = scenes(20)
    path = film(tmp_path / f"clip{suffix}", images, codec)
    with open_source(path, None) as source:
        assert (source.name, source.live, source.frames_per_second) == ("clip", False, RATE)
        pictures = list(source)
    assert (source.count, source.skipped, source.problem) == (20, 0, "")
    np.testing.assert_allclose([p.seconds for p in pictures], np.arange(20) / RATE, atol=1e-3)
    for picture, image in zip(pictures, images, strict=True):
        assert picture.image.dtype == picture.frame.dtype == np.uint8
        np.testing.assert_array_equal(picture.image, picture.frame)
        gap = np.abs(picture.image.astype(int) - image)
        assert np.median(gap) <= 3
        assert gap[4:20, 4:28].max() < 20  # the corner of one area


def test_frames_are_given_up_as_soon_as_they_are_taken(tmp_path):
    height, width = 38, 54  # of no other test, whose sources may still be open
    path = film(tmp_path / "clip.mp4", scenes(20, height, width))
    gc.collect()
    gc.disable()  # what waits for it would be many a 4K frame
    try:
        with open_source(path, None) as source:
            for picture in source:
                assert picture.image.any()
            # `isinstance` would ask objects of other packages for their class, which may warn.
            frames = (f for f in gc.get_objects() if issubclass(type(f), av.VideoFrame))
            held = sum((frame.height, frame.width) == (height, width) for frame in frames)
    finally:
        gc.enable()
    assert held < 5


@pytest.mark.parametrize("shape", [(24, 32), (15, 20), (96, 80), (128, 128)])
def test_frames_are_resized_for_the_model_and_the_original_is_kept(tmp_path, shape):
    path = film(tmp_path / "clip.mp4", scenes(3))
    with open_source(path, shape) as source:
        for picture in source:
            assert picture.image.shape == (HEIGHT, WIDTH, 3)
            assert picture.frame.shape == (*shape, 3)
            h, w = shape
            for y, x in ((1, 1), (1, 3), (3, 1), (3, 3)):
                found = picture.frame[y * h // 4, x * w // 4].astype(int)
                wanted = picture.image[y * HEIGHT // 4, x * WIDTH // 4]
                np.testing.assert_allclose(found, wanted, atol=6)


def test_shrinking_takes_means_over_areas(tmp_path):
    path = film(tmp_path / "clip.mkv", noise(1), codec_options={"crf": "1"})
    with open_source(path, (HEIGHT // 4, WIDTH // 4)) as source:
        picture = next(iter(source))
    means = picture.image.reshape(HEIGHT // 4, 4, WIDTH // 4, 4, 3).mean((1, 3))
    # The file has color at half the resolution: it is averaged without being enlarged first.
    assert np.abs(picture.frame - means).mean() < 3


def test_gray_is_the_luma_of_rec_601(tmp_path):
    path = film(tmp_path / "clip.mp4", scenes(2))
    with open_source(path, (24, 32), 3) as source:
        colored = [picture.frame for picture in source]
    with open_source(path, (24, 32), 1) as source:
        gray = [picture.frame for picture in source]
    for color, found in zip(colored, gray, strict=True):
        assert (found.shape, found.dtype) == ((24, 32, 1), np.uint8)
        np.testing.assert_allclose(found[..., 0], color @ [0.299, 0.587, 0.114], atol=0.51)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_videos_of_phones_are_turned_upright(tmp_path, rotation):
    image = scenes(1)[0]
    path = film(tmp_path / "phone.mp4", image[None], rotation=rotation)
    upright = np.rot90(image, rotation // 90)  # FFmpeg counts counterclockwise too
    with open_source(path, None) as source:
        picture = next(iter(source))
    assert picture.image.shape == upright.shape == picture.frame.shape
    assert np.median(np.abs(picture.image.astype(int) - upright)) <= 3
    with open_source(path, (36, 20)) as source:
        frame = next(iter(source)).frame
    assert frame.shape == (36, 20, 3)
    y, x = upright.shape[0] // 4, upright.shape[1] // 4
    np.testing.assert_allclose(frame[9, 5].astype(int), upright[y, x], atol=6)


def test_sizes_may_change_midway(tmp_path):
    # Motion JPEG frames are files of their own, one after the other.
    with (tmp_path / "changing.mjpeg").open("wb") as joined:
        for height, width in ((48, 64), (32, 80)):
            part = film(tmp_path / "part.mjpeg", noise(4, height, width), "mjpeg")
            joined.write(part.read_bytes())
    with open_source(tmp_path / "changing.mjpeg", None) as source:
        pictures = list(source)
    assert [p.image.shape[:2] for p in pictures] == [(48, 64)] * 4 + [(32, 80)] * 4
    assert {p.frame.shape for p in pictures} == {(48, 64, 3)}
    assert (source.skipped, source.problem) == (0, "")
    steps = np.diff([p.seconds for p in pictures])
    np.testing.assert_allclose(steps, 1 / source.frames_per_second, rtol=1e-3)


def test_sound_beside_the_video_is_passed_over(tmp_path):
    for suffix in (".mp4", ".mkv"):
        path = film(tmp_path / f"loud{suffix}", scenes(10), sound=1.4)
        with open_source(path, None) as source:
            assert len(list(source)) == 10
        assert source.problem == ""


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".flv", ".ts"])
@pytest.mark.parametrize("untagged", [False, True])
def test_sound_may_be_much_longer_than_the_picture(tmp_path, suffix, untagged):
    path = film(tmp_path / f"loud{suffix}", noise(10), sound=4.0)
    if untagged:  # by other programs than FFmpeg
        path.write_bytes(path.read_bytes().replace(b"DURATION", b"COMMENTS"))
    with open_source(path, None) as source:
        assert len(list(source)) == 10
    assert source.problem == ""
    if suffix in (".mp4", ".ts"):  # one has no index, of the other nothing can be known
        return
    with open_source(cut(path, 0.5), None) as source:
        count = len(list(source))
    assert 0 < count < 10
    of = " of 10" if suffix == ".mkv" and not untagged else ""
    said = f"cut{suffix} ends after {count}{of} frames: it is cut short or damaged"
    assert source.problem == said


def _with_subtitles(path, seconds):
    """A Matroska file whose last words are shown long after its picture."""
    given = film(path.with_name("silent.mp4"), scenes(10))
    words = path.with_name("words.srt")
    words.write_text(f"1\n00:00:00,000 --> 00:00:{seconds:02d},000\nwords\n")
    with av.open(given) as video, av.open(words) as subtitles, av.open(path, "w") as out:
        streams = [
            (i.streams[0], out.add_stream_from_template(i.streams[0])) for i in (video, subtitles)
        ]
        for container, (read, written) in zip((subtitles, video), reversed(streams)):
            for packet in container.demux(read):
                if packet.dts is not None:
                    packet.stream = written
                    out.mux(packet)
    return path


def test_words_may_be_shown_longer_than_the_picture(tmp_path):
    path = _with_subtitles(tmp_path / "told.mkv", 20)
    path.write_bytes(path.read_bytes().replace(b"DURATION", b"COMMENTS"))
    with open_source(path, None) as source:
        assert len(list(source)) == 10
    assert source.problem == ""


def test_a_file_of_which_no_frame_can_be_decoded_says_so(tmp_path):
    path = film(tmp_path / "clip.avi", noise(5), "mjpeg")
    content = bytearray(path.read_bytes())
    for at in range(len(content)):
        if content[at : at + 3] == b"\xff\xd8\xff":
            content[at : at + 700] = bytes(700)
    path.write_bytes(content)
    with open_source(path, None) as source:
        assert list(source) == []
    assert source.problem.startswith("clip.avi has no frame that can be decoded: it is damaged")


@pytest.mark.parametrize(
    ("name", "codec", "options", "share"),
    [
        ("clip.mp4", "libx264", {"movflags": "faststart"}, 0.6),
        ("clip.mkv", "libx264", {}, 0.6),
        ("clip.avi", "mjpeg", {}, 0.6),
        ("clip.avi", "mpeg4", {}, 0.7),
    ],
)
def test_a_file_that_was_cut_short_says_so(tmp_path, name, codec, options, share):
    alike = {"g": "1"} if codec == "libx264" else {"g": "1", "qmin": "3", "qmax": "3"}
    path = cut(film(tmp_path / name, noise(20), codec, options, alike), share)
    with open_source(path, None) as source:
        pictures = list(source)
    assert 8 <= len(pictures) <= 20 * share
    assert source.count == len(pictures)
    assert source.skipped <= 1  # the frame that the cut went through
    expected = (
        f"cut{path.suffix} ends after {source.count} of 20 frames: it is cut short or damaged"
    )
    assert source.problem == expected


def test_damaged_frames_are_skipped_and_counted(tmp_path):
    path = film(tmp_path / "clip.avi", noise(10), "mjpeg")
    content = bytearray(path.read_bytes())
    starts = [at for at in range(len(content)) if content[at : at + 3] == b"\xff\xd8\xff"]
    for start in (starts[2], starts[5]):
        content[start : start + 700] = bytes(700)
    path.write_bytes(content)
    with open_source(path, None) as source:
        seconds = [picture.seconds for picture in source]
    assert source.skipped == 2
    assert source.problem == ""
    np.testing.assert_allclose(seconds, [t / RATE for t in range(10) if t not in (2, 5)])


def test_frames_that_the_decoder_patched_up_are_counted(tmp_path):
    path = film(tmp_path / "clip.mkv", noise(10), codec_options={"g": "1"})
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100] = bytes(100)
    path.write_bytes(content)
    with open_source(path, None) as source:
        assert len(list(source)) == 10
    assert (source.damaged, source.skipped, source.problem) == (1, 0, "")


def test_a_second_loop_goes_on_where_the_first_was_left(tmp_path):
    with open_source(film(tmp_path / "clip.mp4", scenes(6)), None) as source:
        first = [picture.seconds for picture, _ in zip(source, range(2))]
        rest = [picture.seconds for picture in source]
    assert first == [0, 0.1]
    assert rest[-1] == pytest.approx(0.5)
    assert len(rest) in (3, 4)  # `zip` itself takes one that it does not use


def test_closing_ends_the_loop_without_a_problem(tmp_path):
    with open_source(film(tmp_path / "clip.mp4", scenes(10)), None) as source:
        for picture in source:
            if picture.seconds > 0.15:
                source.close()
    assert source.count < 10
    assert source.problem == ""


def test_an_mp4_without_its_index_is_refused(tmp_path):
    for images in (scenes(20), noise(20)):
        path = cut(film(tmp_path / "clip.mp4", images), 0.5)
        with pytest.raises(InputError, match=r"cut\.mp4 is cut short: its index \(moov\) is miss"):
            open_source(path, None)


@pytest.mark.parametrize("content", [b"", b"not a video at all\n" * 40])
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"notes\.mp4 cannot be read as a video: Invalid data"):
        open_source(path, None)


def test_a_file_with_sound_alone_is_refused(tmp_path):
    record(tmp_path / "song.mp4", 0.5)
    with pytest.raises(InputError, match=r"song\.mp4 has no video in it, but audio"):
        open_source(tmp_path / "song.mp4", None)


def test_a_codec_without_a_decoder_is_refused(tmp_path):
    path = film(tmp_path / "odd.avi", scenes(5), "mpeg4")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"QQQQ"))
    with pytest.raises(InputError, match=r"odd\.avi is coded in a way .* no decoder for"):
        open_source(path, None)


def test_a_path_that_does_not_exist_is_refused_with_what_there_is(tmp_path):
    (tmp_path / "clip.mp4").touch()
    for missing in ("clop.mp4", "deeper/clip.mp4"):
        with pytest.raises(InputError, match=rf"{missing} does not exist; .* holds clip\.mp4$"):
            open_source(tmp_path / missing, None)


def test_names_with_colons_are_files(tmp_path):
    path = film(tmp_path / "12:30.mp4", scenes(2))
    with open_source(path, None) as source:
        assert source.name == "12:30"
        assert len(list(source)) == 2


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        *(
            (shape, {}, r"frame_shape is .*: \(height, width\) of 1 pixel or more is needed")
            for shape in ((0, 4), 36, (36,), (36, 36, 3), ("36", "36"), (36.5, 36), (True, True))
        ),
        ((10**6, 10**6), {}, r"frame_shape is \(1000000, 1000000\): up to 16384 pixels a side"),
        (None, {"channels": 2}, "channels is 2: choose 3 for color or 1 for gray"),
        (None, {"channels": True}, "channels is True: choose 3 for color or 1 for gray"),
        (None, {"timeout": 0.0}, "timeout is 0.0"),
    ],
)
def test_arguments_are_checked(tmp_path, shape, arguments, message):
    with pytest.raises(InputError, match=message):
        open_source(tmp_path, shape, **arguments)


@pytest.mark.parametrize("address", ["http://[", "rtsp://me:secret@door:lots/1", "file://["])
def test_what_only_looks_like_an_address_is_refused(address):
    with pytest.raises(InputError, match="is no address: ") as error:
        open_source(address, None)
    assert "secret" not in str(error.value)


def test_an_address_where_nobody_answers_is_refused():
    said = r"^rtsp://127\.0\.0\.1:9/live/door cannot be opened: Connect"
    with pytest.raises(InputError, match=said):
        open_source("rtsp://me:secret@127.0.0.1:9/live/door?key=1", None, timeout=2.0)


def test_an_address_that_stays_silent_is_refused_after_the_timeout():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/door.ts"
        with pytest.raises(InputError, match=r"no answer within 0\.3 seconds"):
            open_source(address, None, timeout=0.3)


def _serve(server, content, pause):
    """Sends to the first who asks, without saying how much it will be; says that it ends."""
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"%x\r\n%s\r\n" % (len(content), content))
        time.sleep(pause)
        connection.sendall(b"0\r\n\r\n")


@pytest.mark.parametrize("silent", [False, True])
def test_a_stream_yields_frames_until_it_goes_silent_or_ends(tmp_path, silent):
    content = film(tmp_path / "clip.ts", scenes(10)).read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, content, 1.5 * silent))
        thread.start()
        label = f"http://127.0.0.1:{server.getsockname()[1]}/door.ts"
        with open_source(label, (24, 32), timeout=0.7) as source:
            assert (source.name, source.live) == ("door", True)
            # FFmpeg may not get past what it looks at first, and a cut packet is lost.
            assert len(list(source)) >= 8
        thread.join()
    silence = f"{label} went away after {source.count} frames: nothing came within the timeout"
    assert source.problem == (silence if silent else "")


class _WithoutRanges(http.server.SimpleHTTPRequestHandler):
    """Says how long a file is, and always sends all of it."""

    def log_message(self, *args):
        pass


def test_a_file_of_a_server_without_ranges_is_a_file(tmp_path):
    film(tmp_path / "clip.ts", scenes(10))
    list_of_one = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\nclip.ts\n"
    (tmp_path / "live.m3u8").write_text(list_of_one)  # without an end: more may come
    handler = functools.partial(_WithoutRanges, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        with open_source(f"{address}clip.ts", None) as source:
            assert not source.live
            assert len(list(source)) == 10
        with open_source(f"{address}live.m3u8", None, timeout=0.5) as source:
            assert source.live
        server.shutdown()
    assert source.problem == ""


@pytest.mark.parametrize(
    ("path", "shown", "name"),
    [("/live/door.ts?key=1", "/live/door.ts", "door"), ("", "", "127.0.0.1")],
)
def test_a_stream_is_called_by_its_address_without_passwords(tmp_path, path, shown, name):
    content = film(tmp_path / "clip.ts", scenes(2)).read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, content, 0))
        thread.start()
        host = f"127.0.0.1:{server.getsockname()[1]}"
        with open_source(f"http://me:secret@{host}{path}", None) as source:
            assert (source.label, source.name) == (f"http://{host}{shown}", name)
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="devices of Linux")
@pytest.mark.parametrize(
    ("text", "words"),
    [("camera:99", "No such file"), ("camera:/dev/null", ""), ("camera:", "as in camera:0")],
)
def test_a_camera_that_is_not_there_is_refused(text, words):
    with pytest.raises(InputError, match=rf"{words}.*; (no camera was found|found are /dev/vid)"):
        open_source(text, None)


class _Unplugged:
    """A container whose reads fail after some frames, as a camera's do that is pulled out."""

    # What checks types takes it for one.
    __class__ = av.container.InputContainer

    def __init__(self, container, frames, error):
        self._container, self._frames, self._error = container, frames, error

    def __getattr__(self, name):
        return getattr(self._container, name)

    def demux(self, stream):
        for index, packet in enumerate(self._container.demux(stream)):
            if index == self._frames:
                if self._error is None:
                    return
                raise self._error
            yield packet


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (av.error.OSError(19, "No such device"), "No such device"),
        (av.error.ExitError(1, "Immediate exit requested"), "nothing came within the timeout"),
        (None, "it sends no more"),
    ],
)
def test_a_camera_that_goes_away_ends_with_a_problem(tmp_path, monkeypatch, error, words):
    path = film(tmp_path / "clip.avi", noise(10), "mjpeg")
    camera = _Unplugged(av.open(path), 4, error)
    monkeypatch.setattr("rsf_jax.media.sources.open_camera", lambda *_: camera)
    with open_source("camera:0", (24, 32), 1) as source:
        assert (source.name, source.live) == ("camera0", True)
        assert len(list(source)) == 4
    assert source.problem == f"camera:0 went away after 4 frames: {words}"


@pytest.mark.parametrize(
    ("system", "text", "wanted"),
    [
        ("linux", "camera:2", ("/dev/video2", "v4l2", {})),
        ("linux", "camera:/dev/video7", ("/dev/video7", "v4l2", {})),
        ("darwin", "camera:0", ("0", "avfoundation", {"framerate": "30"})),
        ("win32", "camera:1", ("video=USB", "dshow", {})),
        ("win32", "camera:Front", ("video=Front", "dshow", {})),
    ],
)
def test_cameras_are_called_as_each_system_calls_them(monkeypatch, system, text, wanted):
    calls = []

    def fail(device, format, options, timeout):
        calls.append((device, format, options))
        raise av.error.OSError(16, "Device or resource busy")

    monkeypatch.setattr(cameras, "sys", types.SimpleNamespace(platform=system))
    monkeypatch.setattr(cameras, "enumerate_input_devices", _windows_devices)
    monkeypatch.setattr(cameras.av, "open", fail)
    with pytest.raises(InputError, match=f"{text} cannot be opened: Device or resource busy"):
        cameras.open_camera(text, 1.0)
    assert calls == [wanted]


def _windows_devices(form):
    return [
        DeviceInfo("Front", "", True, ["video"]),
        DeviceInfo("Microphone", "", False, ["audio"]),
        DeviceInfo("USB", "", False, ["video"]),
    ]
