"""Models as programs that run without this library: a frame and a state in, logits and a state out.

`stablehlo` writes one with its weights inside, `manifest` says what it takes and gives, `run` is a
program that runs it, which is put beside it, and `check` compares it with the library.
"""

from typing import TYPE_CHECKING

from rsf_jax.lazy import attach

if TYPE_CHECKING:
    from rsf_jax.programs.check import Agreement, compare
    from rsf_jax.programs.stablehlo import PLATFORMS, export_program

__all__ = ["PLATFORMS", "Agreement", "compare", "export_program"]

__getattr__ = attach(
    __name__,
    {".check": ["Agreement", "compare"], ".stablehlo": ["PLATFORMS", "export_program"]},
)
