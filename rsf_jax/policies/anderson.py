"""Anderson acceleration: the state that does not move any more is solved for."""

from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import whole
from rsf_jax.errors import InputError
from rsf_jax.gradients.floats import wide_floats, with_floats
from rsf_jax.ops.solve import solve_scaled
from rsf_jax.policies.steering import Steered, steers
from rsf_jax.policies.values import check_samples, checked
from rsf_jax.policies.wrapper import Wrapper, equals, text
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Carry

_NUMBERS = ("ridge", "mixing")
# In float32 more differences than that are no better: they depend on each other.
_MOST = 16


class AndersonHistory(NamedTuple):
    """What is remembered of the steps of a frame; lists have an array for each of a state's.

    Attributes:
        residual: float32 [B, ...], by how much the last step has moved the state.
        damped: float32 [B, ...], where it has led, `mixing` of the way.
        residual_changes: float32 [B, M, ...], from each of the last M steps to the next, the newest
            in the place of the oldest; zeros where there was none.
        damped_changes: float32 [B, M, ...], likewise.
        products: float32 [B, M, M], of the changes of residuals with each other.
    """

    residual: Any
    damped: Any
    residual_changes: Any
    damped_changes: Any
    products: Any


@flax.struct.dataclass
class Anderson(Wrapper):
    """Takes the steps of a frame from where Anderson acceleration says; `inner` says how many.

    With f the recurrent step, y_n the state that the n-th step starts from and
    g_n = f(y_n) - y_n its residual, the next one starts from

        y_{n+1} = y_n + beta g_n - sum_j gamma_j (dy_j + beta dg_j),

    where dy_j and dg_j are the last M differences of states and of residuals, and gamma makes
    |g_n - sum_j gamma_j dg_j|^2 + ridge sum_j |gamma_j dg_j|^2 smallest: of a linear step, where
    the residual would be smallest. Each sample is solved for by itself, over all floating-point
    numbers of its state together; integers in a state are what the step has made of them. With
    frames that have one step nothing is changed, bitwise.

    Every step is one evaluation of f, and `steps` counts them. What `inner` observes are y_n and
    f(y_n), so that halting goes by the residual. A frame leaves the last f(y_n), which is read out
    and which the next frame starts from, never y_{n+1}: nobody knows what f makes of a mix, and it
    may be no state that f can reach.

    Where residuals vanish, so do their differences, which then count as none, and the step is
    plain. A state that is not a number goes on as `inner` says.

    Ridge and mixing are traced: trying others compiles nothing. They may be arrays [B], one for
    each sample.

    Attributes:
        memory: M, differences that are remembered, 1 to 16: earlier steps that a start is mixed of,
            besides the last one.
        inner: a policy that decides after every step, and does not steer itself.
        ridge: at least 0, relative to each difference.
        mixing: beta, how far along its residual a state goes, above 0 and at most 1.

    Raises:
        InputError: if a value is none of these.

    Source: Anderson 1965; Walker and Ni 2011 for the form; the ridge is that of SciPy's
    `scipy.optimize.anderson`, whose `M`, `alpha` and `w0` are memory, mixing and the root of the
    ridge. For networks: Bai et al. 2019.
    """

    __repr__ = in_a_line

    memory: int = flax.struct.field(pytree_node=False)
    inner: Any
    ridge: Any = 1e-4
    mixing: Any = 1.0

    def __post_init__(self) -> None:
        """Checks everything that is known; traced values are not."""
        super().__post_init__()
        object.__setattr__(self, "memory", whole("memory", self.memory))
        if self.memory > _MOST:
            raise InputError(f"memory is {self.memory}: 1 to {_MOST} differences can be kept")
        object.__setattr__(self, "ridge", checked("ridge", self.ridge))
        object.__setattr__(self, "mixing", checked("mixing", self.mixing, above=0.0, most=1.0))
        if steers(self.inner):
            raise InputError(f"inner is {self.inner}: it says where steps start itself")

    def __eq__(self, other: object) -> bool:
        """Whether two policies are the same, whichever arrays their numbers are in."""
        return equals(self, other)

    def __hash__(self) -> int:
        """Of what compiles to one program."""
        return hash(jax.tree.structure(self))

    def __str__(self) -> str:
        """Returns it as `parse_policy` reads it."""
        return text("anderson", self)

    def init_history(self, carry: Carry) -> AndersonHistory:
        """Returns that there was no step; see `SteeringPolicy`.

        Raises:
            InputError: if there are numbers of other samples.
        """
        zeros = [jnp.zeros_like(x) for x in wide_floats(carry)]
        batch_size, dtype = zeros[0].shape[0], jnp.result_type(*zeros)
        check_samples(self, _NUMBERS, batch_size)
        many = [jnp.repeat(x[:, None], self.memory, 1) for x in zeros]
        products = jnp.zeros((batch_size, self.memory, self.memory), dtype)
        return AndersonHistory(zeros, zeros, many, many, products)

    def steer(self, n: Array, before: Carry, after: Carry, history: AndersonHistory) -> Steered:
        """Mixes what the last steps have reached; see `SteeringPolicy`."""
        reached = wide_floats(after)
        residual = [x - y for x, y in zip(reached, wide_floats(before))]
        # Of a mixing of 1 exactly what was reached.
        short = jnp.asarray(1 - self.mixing, residual[0].dtype)
        damped = [x - _by_sample(short, g) * g for x, g in zip(reached, residual)]

        n = jnp.broadcast_to(n, residual[0].shape[:1])
        newest = (n % self.memory)[:, None] == np.arange(self.memory)[None]
        changes = _changes(n, residual, history.residual)
        residual_changes = _put(newest, changes, history.residual_changes)
        damped_changes = _put(newest, _changes(n, damped, history.damped), history.damped_changes)
        row = _products(residual_changes, changes)
        products = jnp.where(newest[:, :, None], row[:, None], history.products)
        products = jnp.where(newest[:, None], row[:, :, None], products)
        gamma = solve_scaled(products, _products(residual_changes, residual), self.ridge)
        start = damped
        for j in range(self.memory):
            start = [
                x - _by_sample(gamma[:, j], x) * change[:, j]
                for x, change in zip(start, damped_changes)
            ]
        history = AndersonHistory(residual, damped, residual_changes, damped_changes, products)
        return Steered(with_floats(after, start), after, history)


def _changes(n: Array, now: list[Array], last: list[Array]) -> list[Array]:
    """Differences between the last two steps; zeros with a frame's first."""
    return [jnp.where(_by_sample(n > 1, new), new - old, 0) for new, old in zip(now, last)]


def _put(place: Array, new: list[Array], kept: list[Array]) -> list[Array]:
    """Arrays [B, M, ...] with new ones [B, ...] in the places [B, M] that are true."""
    found: list[Array] = []
    for x, many in zip(new, kept):
        here = place.reshape(place.shape + (1,) * (x.ndim - 1))
        found.append(jnp.where(here, x[:, None], many))
    return found


def _products(many: list[Array], one: list[Array]) -> Array:
    """Products of M states with one, of each sample, [B, M]."""
    parts = [
        jnp.matmul(
            rows.reshape(*rows.shape[:2], -1), x.reshape(x.shape[0], -1, 1), precision="highest"
        )
        for rows, x in zip(many, one)
    ]
    return sum(parts[1:], parts[0])[:, :, 0]


def _by_sample(value: Array, like: Array) -> Array:
    """A number, or one for each sample [B], beside an array [B, ...]."""
    return value.reshape(value.shape + (1,) * (like.ndim - 1)) if value.ndim else value
