"""Which numbers of a video stand for which colors."""

import av
from av.video.reformatter import ColorRange, Colorspace

# Of ITU-T H.273, as files have them.
UNKNOWN, BT709, SMPTE170M = 2, 1, 6
_HDR = {16: "PQ", 18: "HLG"}


def is_hd(height: int, width: int) -> bool:
    """Whether players take a video that says nothing of its colors for BT.709, not for BT.601."""
    return width >= 1280 or height > 576


def matrix_of(frame: av.VideoFrame) -> Colorspace | None:
    """Returns the matrix of a decoded frame; None for the one that it tells itself.

    FFmpeg takes whatever is not tagged for BT.601, players do so up to 576 lines.
    """
    untagged = int(frame.colorspace) == UNKNOWN and not frame.format.is_rgb
    return Colorspace.ITU709 if untagged and is_hd(frame.height, frame.width) else None


def hdr_name(frame: av.VideoFrame) -> str:
    """Returns "PQ" or "HLG" if a frame's brightness is coded so, nothing otherwise."""
    return _HDR.get(int(frame.color_trc), "")


def coded(frame: av.VideoFrame) -> av.VideoFrame:
    """Returns a frame of RGB in YUV 4:2:0 as its size wants it: BT.709 from HD on, else BT.601."""
    hd = is_hd(frame.height, frame.width)
    return frame.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709 if hd else Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
    )


def tag(stream: av.VideoStream) -> None:
    """Says in a file what `coded` has made; primaries and transfer are those of sRGB's kind."""
    context = stream.codec_context
    hd = is_hd(context.height, context.width)
    context.colorspace = BT709 if hd else SMPTE170M
    context.color_range = ColorRange.MPEG
    context.color_primaries = context.color_trc = BT709
