"""Softplus and sigmoid for cells that need them at every pixel, channel and step.

XLA's CPU loops run at the speed of their longest chain of dependent instructions. These chains
are shorter than those of `jax.nn`, and end in a division, after which XLA keeps the result where
it is needed more than once instead of computing it again.
"""

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.ops import portable
from rsf_jax.typing import Array, Float

Values = Float[Array, "*axes"]

# Why not those of `jax.nn`: docs/speed.md, "What was tried".
# Minimax approximations, highest power first, with their relative errors:
# exp(-r) for |r| <= log(2) / 2, 2e-8;
_EXPONENTIAL = (
    0.0013843653723597527,
    -0.00837415549904108,
    0.04166800156235695,
    -0.16666431725025177,
    0.4999999403953552,
    -1.0,
    1.0,
)
# log(1 + u) / u for u in [0, 1] as a quotient, 4e-8.
_LOGARITHM_NUMERATOR = (0.12376435846090317, 0.8671936392784119, 1.0)
_LOGARITHM_DENOMINATOR = (0.031094562262296677, 0.47405898571014404, 1.3671916723251343, 1.0)

_OCTAVES_PER_UNIT = 1.4426950408889634
# log(2) as a sum whose first part has few bits: its multiples are exact.
_OCTAVE = 0.693359375
_OCTAVE_REST = -2.12194440e-4
_LARGEST = 87.0  # beyond it exp(-a) is not a normal float32


@jax.custom_jvp
def softplus(x: Values) -> Values:
    """Returns log(1 + exp(x)), float32, to a relative error of 4e-7.

    `max(x, 0) + log(1 + u)` with `u = exp(-|x|)`: nothing overflows, and small results keep their
    relative accuracy, down to exp(-87), where they stay.
    """
    u = _exp_of_minus(jnp.abs(x))
    denominator = _polynomial(_LOGARITHM_DENOMINATOR, u)
    return (
        jnp.maximum(x, 0) * denominator + u * _polynomial(_LOGARITHM_NUMERATOR, u)
    ) / denominator


@softplus.defjvp
def _softplus_jvp(primals: tuple[Values], tangents: tuple[Values]) -> tuple[Values, Values]:
    return softplus(*primals), sigmoid(*primals) * tangents[0]


@jax.custom_jvp
def sigmoid(x: Values) -> Values:
    """Returns 1 / (1 + exp(-x)), float32, to a relative error of 4e-7, never below exp(-87)."""
    u = _exp_of_minus(jnp.abs(x))
    return jnp.where(x < 0, u, 1.0) / (1 + u)


@sigmoid.defjvp
def _sigmoid_jvp(primals: tuple[Values], tangents: tuple[Values]) -> tuple[Values, Values]:
    y = sigmoid(*primals)
    return y, y * (1 - y) * tangents[0]


def _exp_of_minus(a: Values) -> Values:
    """exp(-a) for a >= 0: a power of two by its exponent's bits, times exp of what remains."""
    a = jnp.minimum(a, _LARGEST)
    if portable.is_on():  # not every runtime takes bits for numbers
        return jnp.exp(-a)
    octaves = lax.round(a * _OCTAVES_PER_UNIT, lax.RoundingMethod.TO_NEAREST_EVEN)
    rest = (a - octaves * _OCTAVE) - octaves * _OCTAVE_REST
    exponent = lax.shift_left(127 - octaves.astype(jnp.int32), jnp.int32(23))
    return _polynomial(_EXPONENTIAL, rest) * lax.bitcast_convert_type(exponent, jnp.float32)


def _polynomial(coefficients: tuple[float, ...], x: Values) -> Values:
    total = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total
