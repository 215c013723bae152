"""Frames of videos into a model, and results out to files.

In: `sources` opens what a text names, `videos` reads files, streams and `cameras` (`late` those
that may be away, `times` when their frames are shown, `endings` whether files are whole), `folders`
and `animations` read images, `still` those of more than 8 bits; `filters` deinterlaces, `upright`
turns, `colors` says what numbers mean, `fitting` makes frames of a model's shape, with `resizing`,
and `pictures` puts that together. A `source` says how it ended, a `reader` reads it ahead. Out:
`gathering` joins the results of a frame's tiles, a `recorder` hands them to `outputs`: `overlay`
draws a class map over a frame, `step_chart` and `legend` what is below it (`lettering` its text),
`video_writer` (with `sound`), `mask_writer` and `json_lines` write files, `targets` and `checks`
are what they have in common.

It needs PyAV, whose import takes its time: each name is imported when it is asked for.
"""

from typing import TYPE_CHECKING

from rsf_jax.lazy import attach

if TYPE_CHECKING:
    from rsf_jax.media.fitting import Fit
    from rsf_jax.media.folders import IMAGE_SUFFIXES
    from rsf_jax.media.json_lines import JsonLinesWriter
    from rsf_jax.media.mask_writer import MaskWriter
    from rsf_jax.media.overlay import draw
    from rsf_jax.media.pictures import Picture
    from rsf_jax.media.source import Source
    from rsf_jax.media.sources import open_source
    from rsf_jax.media.video_writer import VideoWriter

__all__ = [
    "IMAGE_SUFFIXES",
    "Fit",
    "JsonLinesWriter",
    "MaskWriter",
    "Picture",
    "Source",
    "VideoWriter",
    "draw",
    "open_source",
]

__getattr__ = attach(
    __name__,
    {
        ".fitting": ["Fit"],
        ".folders": ["IMAGE_SUFFIXES"],
        ".json_lines": ["JsonLinesWriter"],
        ".mask_writer": ["MaskWriter"],
        ".overlay": ["draw"],
        ".pictures": ["Picture"],
        ".source": ["Source"],
        ".sources": ["open_source"],
        ".video_writer": ["VideoWriter"],
    },
)
