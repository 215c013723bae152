"""Models as programs that run without this library: a frame and a state in, logits and a state out.

`export` writes one with its weights inside, as `stablehlo` or, through `jaxpr_to_onnx`, as
`onnx_file`; both are made of `frame_step`. `weights` stores them small. `manifest` says what a
program takes and gives, `run` is a program that runs one, put beside it, and `check` compares it
with the library.
"""

from typing import TYPE_CHECKING

from rsf_jax.lazy import attach

if TYPE_CHECKING:
    from rsf_jax.programs.check import Agreement, compare
    from rsf_jax.programs.export import FORMATS, PLATFORMS, export_program
    from rsf_jax.programs.run import Video
    from rsf_jax.programs.weights import WEIGHTS, rounded

__all__ = [
    "FORMATS",
    "PLATFORMS",
    "WEIGHTS",
    "Agreement",
    "Video",
    "compare",
    "export_program",
    "rounded",
]

__getattr__ = attach(
    __name__,
    {
        ".check": ["Agreement", "compare"],
        ".export": ["FORMATS", "PLATFORMS", "export_program"],
        ".run": ["Video"],
        ".weights": ["WEIGHTS", "rounded"],
    },
)
