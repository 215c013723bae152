"""Small videos for tests, made on the spot."""

import av
import numpy as np

HEIGHT, WIDTH, RATE = 48, 64, 10


def scenes(count, height=HEIGHT, width=WIDTH):
    """Images uint8 [T, h, w, 3] in four areas of one color, whose red counts the frames."""
    images = np.zeros((count, height, width, 3), np.uint8)
    images[:, : height // 2, width // 2 :, 1] = 200
    images[:, height // 2 :, : width // 2, 2] = 200
    images[..., 0] = 20 + 10 * np.arange(count)[:, None, None]
    return images


def noise(count, height=HEIGHT, width=WIDTH):
    """Images uint8 [T, h, w, 3] that take as many bytes each, so that a file can be cut evenly."""
    shape = (count, height, width, 3)
    return np.random.default_rng(0).integers(96, 160, shape, dtype=np.uint8)


def film(path, images, codec="libx264", options=None, codec_options=None, **more):
    """Writes images, and silence of so many seconds of `sound`, to a video file."""
    # Of the same quality in all frames.
    codec_options = codec_options or ({} if codec == "libx264" else {"qmin": "3", "qmax": "3"})
    with av.open(path, "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=RATE, options=codec_options)
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = "yuv420p"
        if codec == "mjpeg":
            stream.color_range = 2
        if "rotation" in more:
            stream.set_display_rotation(more["rotation"])
        if more.get("matrix"):
            stream.set_display_matrix(more["matrix"])
        if "aspect" in more:  # of pixels
            stream.codec_context.sample_aspect_ratio = more["aspect"]
        matrix, tag, transfer = (*more.get("colors", (None, None)), None)[:3]
        if tag:
            stream.codec_context.colorspace = tag
        if transfer:
            stream.codec_context.color_trc = transfer
            stream.codec_context.color_primaries = 9
        sound = container.add_stream("aac", rate=16000, layout="mono") if "sound" in more else None
        for image in images:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if matrix:
                frame = frame.reformat(format="yuv420p", dst_colorspace=matrix)
                frame.colorspace = tag or 2
                frame.color_trc = transfer or 2
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            add_silence(container, sound, more["sound"])
    return path


def record(path, seconds):
    """Writes silence, and no video, to a file."""
    with av.open(path, "w") as container:
        add_silence(container, container.add_stream("aac", rate=16000, layout="mono"), seconds)
    return path


def add_silence(container, stream, seconds):
    for n in range(int(16000 * seconds) // 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16000, 1024 * n
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def add_tone(container, stream, seconds, quiet_before=0.0):
    """Adds a tone of 440 Hz in mono, 16000 samples a second, silent before a time."""
    times = np.arange(int(16000 * seconds)) / 16000
    samples = np.int16(12000 * np.sin(880 * np.pi * times) * (times >= quiet_before))
    resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=16000)
    for begin in range(0, len(samples) - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, begin : begin + 1024], "s16", "mono")
        frame.sample_rate, frame.pts = 16000, begin
        for part in resampler.resample(frame):
            container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def cut(path, share):
    """Writes the first part of a file beside it."""
    whole = path.read_bytes()
    shorter = path.with_name(f"cut{path.suffix}")
    shorter.write_bytes(whole[: int(share * len(whole))])
    return shorter
