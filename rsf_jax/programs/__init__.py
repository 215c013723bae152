"""Models as programs that run without this library: a frame and a state in, logits and a state out.

`export` writes one with its weights inside, as `stablehlo` or, through `jaxpr_to_onnx`, as
`onnx_file`; both are made of `frame_step`. `weights` stores them small. `manifest` says what a
program takes and gives, `run` and `run_onnx` are programs that run one, of which one is put beside
it, and `check` compares it with the library.
"""

from typing import TYPE_CHECKING

from rsf_jax.lazy import attach

if TYPE_CHECKING:
    from rsf_jax.programs.check import Agreement, compare, open_program
    from rsf_jax.programs.export import FORMATS, PLATFORMS, export_program
    from rsf_jax.programs.weights import WEIGHTS, rounded

__all__ = [
    "FORMATS",
    "PLATFORMS",
    "WEIGHTS",
    "Agreement",
    "compare",
    "export_program",
    "open_program",
    "rounded",
]

__getattr__ = attach(
    __name__,
    {
        ".check": ["Agreement", "compare", "open_program"],
        ".export": ["FORMATS", "PLATFORMS", "export_program"],
        ".weights": ["WEIGHTS", "rounded"],
    },
)
