"""Linear functions with transposes of their own, for derivatives in both modes.

A function under `jax.custom_vjp` has no forward-mode derivative. One under `jax.custom_jvp` whose
tangent is made by `linear` has both: forward, the tangent is computed as written; backward, it is
transposed as told.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from rsf_jax.errors import InputError
from rsf_jax.ops.held import as_varying
from rsf_jax.typing import Array

_Flat = Callable[..., list[Any]]


def bilinear(function: Any, to_first: Callable, to_second: Callable) -> None:
    """Gives a function of two arguments, linear in each, its derivatives.

    Args:
        function: `function(a, b, *static)` under `jax.custom_jvp`, `static` not differentiated.
        to_first: `to_first(b, cotangent, *static)`, the transpose in a.
        to_second: `to_second(a, cotangent, *static)`, the transpose in b.
    """

    def rule(*args: Any) -> tuple[Any, Any]:
        *static, (a, b), (da, db) = args
        shape = jax.eval_shape(lambda a, b: function(a, b, *static), a, b)

        def of_first(x: Any) -> Any:
            return linear(
                lambda b, x: function(x, b, *static),
                lambda b, cotangent: to_first(b, cotangent, *static),
                b,
                x,
                like=shape,
            )

        def of_second(x: Any) -> Any:
            return linear(
                lambda a, x: function(a, x, *static),
                lambda a, cotangent: to_second(a, cotangent, *static),
                a,
                x,
                like=shape,
            )

        moved = [
            part(_instantiate(tangent, primal))
            for part, tangent, primal in ((of_first, da, a), (of_second, db, b))
            if not _is_zero(tangent)
        ]
        # As one equation: of several JAX would move some in front of a loop that they are in, to
        # be stored (5 % of a training step). See
        # docs/decisions/0005-derivatives-of-convolutions.md.
        return of_first(a), jax.tree.map(lambda *parts: sum(parts[1:], parts[0]), *moved)

    function.defjvp(rule, symbolic_zeros=True)


def linear(
    function: Callable[[Any, Any], Any],
    transpose: Callable[[Any, Any], Any],
    residuals: Any,
    x: Any,
    *,
    like: Any,
) -> Any:
    """Returns `function(residuals, x)`, which is linear in x.

    Args:
        function: traceable, and differentiable in the residuals if the result is to be.
        transpose: maps residuals and a cotangent of the result to the cotangent of x.
        residuals: pytree of arrays.
        x: pytree of arrays.
        like: pytree of the result's structure.
    """
    kept, kept_tree = jax.tree.flatten(residuals)
    # Under `shard_map` the transpose sums over the axes that x does not vary over by itself.
    leaves, x_tree = jax.tree.flatten(as_varying(x, (residuals, x)))
    result_tree = jax.tree.structure(like)

    def forward(*args: Any) -> list[Any]:
        residuals = jax.tree.unflatten(kept_tree, args[: len(kept)])
        return jax.tree.leaves(function(residuals, jax.tree.unflatten(x_tree, args[len(kept) :])))

    def backward(*args: Any) -> list[Any]:
        residuals = jax.tree.unflatten(kept_tree, args[: len(kept)])
        cotangent = jax.tree.unflatten(result_tree, args[len(kept) :])
        return jax.tree.leaves(transpose(residuals, cotangent))

    out = _linear.bind(*kept, *leaves, forward=forward, backward=backward, kept=len(kept))
    return jax.tree.unflatten(result_tree, out)


def without_reverse(x: Any, message: str) -> Any:
    """Returns a pytree as it is; reverse-mode derivatives through it raise InputError."""
    return jax.tree.map(
        lambda leaf: _without_reverse(leaf, message) if _is_float(leaf) else leaf, x
    )


def without_derivative(x: Any, message: str) -> Any:
    """Returns a pytree as it is; all derivatives through it raise InputError."""
    return jax.tree.map(lambda leaf: _without_derivative(leaf, message), x)


def refused(x: Any, message: str) -> Any:
    """Returns a pytree whose computation raises InputError: of a derivative that must not be."""
    return jax.tree.map(lambda leaf: _refused.bind(leaf, message=message), x)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _without_reverse(x: Array, message: str) -> Array:
    return x


@_without_reverse.defjvp
def _forward_alone(
    message: str, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    def transpose(_: Any, cotangent: Array) -> Array:
        raise InputError(message)

    (x,), (dx,) = primals, tangents
    return _without_reverse(x, message), linear(lambda _, dx: dx, transpose, (), dx, like=dx)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _without_derivative(x: Array, message: str) -> Array:
    return x


@_without_derivative.defjvp
def _no_derivative(message: str, primals: Any, tangents: Any) -> tuple[Array, Array]:
    raise InputError(message)


def _is_float(x: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)


def _is_zero(tangent: Any) -> bool:
    return all(isinstance(leaf, SymbolicZero) for leaf in jax.tree.leaves(tangent))


def _instantiate(tangent: Any, primal: Any) -> Any:
    return jax.tree.map(
        lambda t, x: jnp.zeros_like(x) if isinstance(t, SymbolicZero) else t, tangent, primal
    )


_linear = Primitive("linear")
_linear.multiple_results = True


def _forward(*args: Any, forward: _Flat, backward: _Flat, kept: int) -> list[Any]:
    return forward(*args)


def _avals(*avals: Any, forward: _Flat, backward: _Flat, kept: int) -> list[Any]:
    return list(jax.make_jaxpr(forward)(*avals).out_avals)


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], forward: _Flat, backward: _Flat, kept: int
) -> tuple[list[Any], list[Any]]:
    bind = partial(_linear.bind, forward=forward, backward=backward, kept=kept)
    out = bind(*primals)
    parts = []
    if not all(isinstance(t, ad.Zero) for t in tangents[kept:]):
        parts.append(bind(*primals[:kept], *map(ad.instantiate_zeros, tangents[kept:])))
    if not all(isinstance(t, ad.Zero) for t in tangents[:kept]):
        _, moved = jax.jvp(
            lambda *residuals: forward(*residuals, *primals[kept:]),
            tuple(primals[:kept]),
            tuple(map(ad.instantiate_zeros, tangents[:kept])),
        )
        parts.append(moved)
    total = parts[0] if len(parts) == 1 else list(map(jnp.add, *parts))
    return out, total


def _transpose(
    cotangents: Sequence[Any], *args: Any, forward: _Flat, backward: _Flat, kept: int
) -> list[Any]:
    given = backward(*args[:kept], *map(ad.instantiate_zeros, cotangents))
    return [None] * kept + given


def _batch(
    args: Sequence[Any], axes: Sequence[Any], forward: _Flat, backward: _Flat, kept: int
) -> tuple[list[Any], list[int]]:
    size = next(x.shape[axis] for x, axis in zip(args, axes) if axis is not None)
    # All of x along one axis: what is shared would have to be summed in the transpose.
    x = [_in_front(leaf, axis, size) for leaf, axis in zip(args[kept:], axes[kept:])]
    shared = tuple(axes[:kept])
    out = _linear.bind(
        *args[:kept],
        *x,
        forward=jax.vmap(forward, (*shared, *(0 for _ in x))),
        backward=lambda *args: jax.vmap(backward, (*shared, *(0 for _ in args[kept:])))(*args),
        kept=kept,
    )
    return out, [0] * len(out)


def _in_front(x: Array, axis: int | None, size: int) -> Array:
    return jnp.broadcast_to(x, (size, *x.shape)) if axis is None else jnp.moveaxis(x, axis, 0)


_linear.def_impl(_forward)
_linear.def_abstract_eval(_avals)
ad.primitive_jvps[_linear] = _jvp
ad.primitive_transposes[_linear] = _transpose
batching.primitive_batchers[_linear] = _batch
mlir.register_lowering(_linear, mlir.lower_fun(_forward, multiple_results=True))


_refused = Primitive("refused")


@_refused.def_impl
def _refuse(x: Any, *, message: str) -> Any:
    raise InputError(message)


_refused.def_abstract_eval(lambda x, *, message: x)
batching.primitive_batchers[_refused] = lambda args, axes, **params: (
    _refused.bind(*args, **params),
    axes[0],
)
mlir.register_lowering(_refused, mlir.lower_fun(_refuse, multiple_results=False))
