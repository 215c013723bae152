"""Penalties on the Jacobian of the last step: they keep the recurrence a contraction."""

import dataclasses
import numbers
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from rsf_jax.arguments import check_choice
from rsf_jax.errors import InputError
from rsf_jax.gradients.floats import floats, with_floats
from rsf_jax.typing import Array, Carry, Float, Step

NOISES = ("rademacher", "gaussian")


@runtime_checkable
class Penalty(Protocol):
    """What is added to the loss of every frame."""

    @property
    def weight(self) -> float:
        """What it is multiplied by in the loss."""

    @property
    def seed(self) -> int | None:
        """Of its random numbers; None if it takes none."""

    def __call__(self, step: Step, before: Carry, keys: Any = None) -> Float[Array, " B"]:
        """Returns each sample's penalty, without its weight.

        Args:
            step: one recurrent step.
            before: `Reached.before`, a pytree of arrays [B, ...]; integers have no part in it.
            keys: of random numbers, one for each sample [B]; None for those of the seed alone.

        Returns:
            float32 [B], the mean over all values of a state.
        """


@dataclasses.dataclass(frozen=True)
class LipschitzPenalty:
    """Lipschitz coefficient penalty of the last step: `mean(relu(1^T J - bound)^2)`.

    `1^T J`, the column sums of the step's Jacobian J, takes one vector-Jacobian product. The
    penalty is differentiated through the last step; and through the state in front of it where the
    estimator differentiates that, as BPTT does.

    Attributes:
        weight: what it is multiplied by in the loss.
        bound: column sums up to this cost nothing.

    Source: Linsley et al. 2020, section 3 and published code.
    """

    weight: float = 10.0
    bound: float = 0.9

    def __post_init__(self) -> None:
        """Checks both."""
        _check_number("weight", self.weight)
        _check_number("bound", self.bound)

    @property
    def seed(self) -> None:
        """None: it takes no random numbers."""

    def __call__(self, step: Step, before: Carry, keys: Any = None) -> Float[Array, " B"]:
        """Returns each sample's penalty; see `Penalty`."""
        column_sums = _pulled_back(step, before, lambda after: [jnp.ones_like(x) for x in after])
        excess = jax.nn.relu(column_sums - self.bound)
        return jnp.square(excess).mean(1)


@dataclasses.dataclass(frozen=True)
class JacobianPenalty:
    """Jacobian regularization of the last step: `|eps^T J|^2 / d`, d the numbers of a state.

    Over random vectors eps, its mean is `|J|_F^2 / d`, the mean square of the step's singular
    values (Hutchinson's estimator), of which it takes one vector-Jacobian product. It is
    differentiated through as `LipschitzPenalty` is. That one bounds column sums, and costs nothing
    below its bound; this one shrinks J wherever it is.

    Attributes:
        weight: what it is multiplied by in the loss.
        seed: of eps, with the number of the update, the video and the frame.
        noise: "rademacher", eps of 1 and -1, or "gaussian", as published: the same mean, and the
            first varies less.

    Source: Bai et al. 2021, section 4.
    """

    weight: float = 1.0
    seed: int = 0
    noise: str = NOISES[0]

    def __post_init__(self) -> None:
        """Checks weight and noise."""
        _check_number("weight", self.weight)
        check_choice("noise", self.noise, NOISES)

    def __call__(self, step: Step, before: Carry, keys: Any = None) -> Float[Array, " B"]:
        """Returns each sample's penalty; see `Penalty`."""
        draw = jax.random.rademacher if self.noise == "rademacher" else jax.random.normal
        if keys is None:
            count = len(floats(before)[0])
            keys = jax.vmap(jax.random.fold_in, (None, 0))(
                jax.random.key(self.seed), jnp.arange(count)
            )

        def drawn(after: list[Array]) -> list[Array]:
            def of_sample(key: Array) -> list[Array]:
                each = jax.random.split(key, len(after))
                return [draw(k, x.shape[1:], x.dtype) for k, x in zip(each, after)]

            return jax.vmap(of_sample)(keys)

        return jnp.square(_pulled_back(step, before, drawn)).mean(1)


def _pulled_back(
    step: Step, before: Carry, cotangents: Callable[[list[Array]], list[Array]]
) -> Float[Array, "B D"]:
    """Products of vectors, made for what the step returns, with its Jacobian."""
    after, pull_back = jax.vjp(
        lambda values: floats(step(with_floats(before, values))), floats(before)
    )
    (found,) = pull_back(cotangents(after))
    return jnp.concatenate([x.reshape(len(x), -1) for x in found], axis=1)


def _check_number(name: str, value: float) -> None:
    if not isinstance(value, numbers.Real) or not 0 <= value < float("inf"):
        raise InputError(f"penalty {name} is {value!r}: at least 0, finite, is needed")
