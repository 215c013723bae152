"""The sound of a file beside the video that was made of it."""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.error import FFmpegError

from rsf_jax.paths import unfinished

# What every player takes in an .mp4; others are coded anew.
_COPIED = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")
_FORMATS = ("mp4", "matroska")
_CODEC, _BITS = "aac", 160_000  # per second


def add_sound(video: Path, source: Path, begin: float, length: float) -> str:
    """Puts the sound of a file beside a video that was made of it, as long as the video is.

    Packets are copied as they are where the video's container takes them, else coded as AAC.

    Args:
        video: a file without sound, which is replaced.
        source: file whose sound it is; its first stream is taken.
        begin: seconds of the video's first frame, on the source's clock.
        length: of the video, in seconds.

    Returns:
        Why there is none; empty if there is.
    """
    try:
        with av.open(f"file:{source}") as given:
            if not given.streams.audio:
                return "it has no sound"
            beside = unfinished(video)
            try:
                with av.open(f"file:{video}") as shown:
                    _join(beside, shown, given, begin, length)
                beside.replace(video)
            finally:
                beside.unlink(missing_ok=True)
    except (OSError, FFmpegError, ValueError) as error:
        return f"its sound cannot be kept: {getattr(error, 'strerror', None) or error}"
    return ""


def _join(
    beside: Path,
    shown: av.container.InputContainer,
    given: av.container.InputContainer,
    begin: float,
    length: float,
) -> None:
    # A video that is unfinished is not called after its format.
    (form,) = set(_FORMATS).intersection(shown.format.name.split(","))
    with av.open(f"file:{beside}", "w", format=form) as out:
        _mux(out, shown, given, begin, length)


def _mux(
    out: av.container.OutputContainer,
    shown: av.container.InputContainer,
    given: av.container.InputContainer,
    begin: float,
    length: float,
) -> None:
    picture, sound = shown.streams.video[0], given.streams.audio[0]
    to_picture = out.add_stream_from_template(picture)
    if sound.codec_context.codec.name.removesuffix("float") in _COPIED:
        to_sound = out.add_stream_from_template(sound)
        packets = _copied(given, sound, begin, length)
    else:
        coded = out.add_stream(_CODEC, rate=sound.rate or 48_000)
        to_sound = cast(av.AudioStream, coded)
        to_sound.bit_rate = _BITS
        packets = _coded(given, sound, to_sound, begin, length)
    # In turns by time, or one of the two would wait in memory for the other.
    waiting = next(packets, None)
    for packet in shown.demux(picture):
        if packet.dts is None:
            continue
        while waiting is not None and _seconds(waiting) <= _seconds(packet):
            waiting.stream = to_sound
            out.mux(waiting)
            waiting = next(packets, None)
        packet.stream = to_picture
        out.mux(packet)
    while waiting is not None:
        waiting.stream = to_sound
        out.mux(waiting)
        waiting = next(packets, None)


def _seconds(packet: av.Packet) -> float:
    return float((packet.dts or 0) * packet.time_base) if packet.time_base else 0.0


def _copied(
    given: av.container.InputContainer, sound: av.AudioStream, begin: float, length: float
) -> Iterator[av.Packet]:
    """Packets within the video, on its clock, forward."""
    base = sound.time_base or Fraction(1, 1000)
    shift, last = round(begin / base), -1
    for packet in given.demux(sound):
        if packet.dts is None or packet.pts is None:
            continue
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        if packet.pts * base >= length:
            return
        if packet.dts > last and packet.pts >= 0:
            last = packet.dts
            yield packet


def _coded(
    given: av.container.InputContainer,
    sound: av.AudioStream,
    to: av.AudioStream,
    begin: float,
    length: float,
) -> Iterator[av.Packet]:
    resampler = av.AudioResampler(
        format=to.codec_context.format, layout=to.codec_context.layout, rate=to.codec_context.rate
    )
    at = None
    for frame in given.decode(sound):
        seconds = (frame.time or 0.0) - begin
        if seconds >= length:
            break
        if seconds < 0:
            continue
        at = round(seconds * to.codec_context.rate) if at is None else at
        for part in resampler.resample(frame):
            part.pts, part.time_base = at, Fraction(1, to.codec_context.rate)
            at += part.samples
            yield from to.encode(part)
    with contextlib.suppress(EOFError, av.error.EOFError):
        yield from to.encode(None)
