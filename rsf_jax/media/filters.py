"""What FFmpeg's filters make of decoded frames before they are looked at."""

from collections.abc import Iterable
from typing import Any, cast

import av
from av.error import FFmpegError
from av.filter import Graph

from rsf_jax.media.colors import hdr_name

# Of frames that are flagged as interlaced, one for each; others pass.
_DEINTERLACE = ("bwdif", "mode=send_frame:deint=interlaced")
# FFmpeg 8 maps tones where transfer functions are given, earlier ones have no such option.
_TO_SDR = (
    "scale",
    "out_color_matrix=bt709:out_transfer=bt709:out_primaries=bt709:out_range=tv:intent=perceptual",
)
_SDR_FORMAT = ("format", "yuv420p")
_NEVER = "its colors are shown as they are, pale: this build of FFmpeg cannot map its tones"


class Filters:
    """Deinterlaces frames, and maps those of high dynamic range to what screens show.

    Until a frame needs one of these, frames pass as they are. Deinterlacing holds a frame back
    until the next has come.

    Attributes:
        notes: what was done, once each.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._interlaced = False  # once, it stays: a video may change from frame to frame
        self._kind: tuple[Any, ...] = ()
        self._graph: Graph | None = None

    def frames(self, decoded: Iterable[av.VideoFrame]) -> list[av.VideoFrame]:
        """Returns what can be shown, in order."""
        found: list[av.VideoFrame] = []
        for frame in decoded:
            self._interlaced |= frame.interlaced_frame
            kind = (
                *(frame.width, frame.height, frame.format.name),
                *(int(frame.colorspace), int(frame.color_range)),
                *(self._interlaced, hdr_name(frame)),
            )
            if kind != self._kind:
                found += self.rest()
                self._kind, self._graph = kind, self._graph_for(frame)
            if self._graph is None:
                found.append(frame)
            else:
                self._graph.push(frame)
                found += _pulled(self._graph)
        return found

    def rest(self) -> list[av.VideoFrame]:
        """Returns what is held back; it has ended."""
        graph, self._graph, self._kind = self._graph, None, ()
        if graph is None:
            return []
        graph.push(None)
        return _pulled(graph)

    def _graph_for(self, frame: av.VideoFrame) -> Graph | None:
        wanted = []
        if self._interlaced:
            wanted.append(_DEINTERLACE)
            self._note("it is interlaced: deinterlaced by bwdif")
        if hdr := hdr_name(frame):
            try:
                graph = _graph(frame, [*wanted, _TO_SDR, _SDR_FORMAT])
            except (FFmpegError, ValueError):
                self._note(f"it is HDR ({hdr}): {_NEVER}")
            else:
                self._note(f"it is HDR ({hdr}): its tones are mapped to BT.709")
                return graph
        return _graph(frame, wanted) if wanted else None

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _graph(frame: av.VideoFrame, filters: Iterable[tuple[str, str]]) -> Graph:
    graph = Graph()
    base = frame.time_base or "1/90000"
    source = (
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={base}"
        f":colorspace={int(frame.colorspace)}:range={int(frame.color_range)}"
    )
    last = graph.add("buffer", source)
    for name, arguments in filters:
        added = graph.add(name, arguments)
        last.link_to(added)
        last = added
    last.link_to(graph.add("buffersink"))
    graph.configure()
    return graph


def _pulled(graph: Graph) -> list[av.VideoFrame]:
    found = []
    while True:
        try:
            found.append(cast(av.VideoFrame, graph.pull()))
        except (BlockingIOError, EOFError, av.error.EOFError):
            return found
