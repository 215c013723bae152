"""In which type convolutions multiply: float32, or bfloat16 as mixed precision has it."""

from jax import lax

from rsf_jax.typing import Array

FLOAT32, BFLOAT16 = COMPUTE_DTYPES = ("float32", "bfloat16")
_BITS = {"exponent_bits": 8, "mantissa_bits": 7}


def rounded(x: Array, compute_dtype: str) -> Array:
    """Rounds what enters and leaves a convolution to what its type can hold, in the type of x.

    A product of two numbers of bfloat16 is exact in float32. With factors and result rounded, any
    form of a convolution, in the frequency domain or by another library, gives what one in bfloat16
    with sums in float32 gives, up to the rounding of float32. So it is on CPUs; on accelerators
    `direct` multiplies in bfloat16 itself.

    Its derivative rounds the cotangent: gradients are multiplied in bfloat16, too.

    Args:
        x: float32, of any shape.
        compute_dtype: "float32", which leaves x as it is, or "bfloat16".
    """
    # Not a cast there and back: XLA may leave out both.
    return lax.reduce_precision(x, **_BITS) if compute_dtype == BFLOAT16 else x
