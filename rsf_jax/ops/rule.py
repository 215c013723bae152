"""From which kernels on the frequency domain is the faster one, by platform and type."""

from collections.abc import Mapping

from rsf_jax.ops.rounding import BFLOAT16, FLOAT32

# Height times width in pixels of the smallest kernels for the frequency domain; None: there are
# none. CPUs are measured: docs/speed.md, "What was tried". The others are guesses: in float32 the
# frequency domain has a fraction of the arithmetic, and small kernels are bound by the number of
# programs; in bfloat16 their matrix units make direct products cheap. `launch/benchmark.py
# --suite=accelerator` measures a device and prints the line that should stand here.
# `ELSEWHERE` is ONNX Runtime on a CPU, measured: docs/decisions/0028-onnx.md.
ELSEWHERE = "elsewhere"
FREQUENCY_FROM: Mapping[str, Mapping[str, int | None]] = {
    "cpu": {FLOAT32: 25, BFLOAT16: 25},
    "gpu": {FLOAT32: 49, BFLOAT16: None},
    "tpu": {FLOAT32: 49, BFLOAT16: None},
    ELSEWHERE: {FLOAT32: 169, BFLOAT16: 169},
}


def frequency_is_faster(area: int, compute_dtype: str, platform: str) -> bool:
    """Whether kernels of an area are convolved in the frequency domain.

    Args:
        area: height times width in pixels.
        compute_dtype: in which is multiplied.
        platform: as `jax.default_backend` names it, or `ELSEWHERE`; unknown ones count as a GPU.
    """
    first = FREQUENCY_FROM.get(platform, FREQUENCY_FROM["gpu"])[compute_dtype]
    return first is not None and area >= first
