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
        out = function(a, b, *static)
        moved = []
        if not _is_zero(da):
            moved.append(
                linear(
                    lambda b, da: function(da, b, *static),
                    lambda b, cotangent: to_first(b, cotangent, *static),
                    b,
                    _instantiate(da, a),
                    like=out,
                )
            )
        if not _is_zero(db):
            moved.append(
                linear(
                    lambda a, db: function(a, db, *static),
                    lambda a, cotangent: to_second(a, cotangent, *static),
                    a,
                    _instantiate(db, b),
                    like=out,
                )
            )
        return out, jax.tree.map(lambda *parts: sum(parts[1:], parts[0]), *moved)

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
    leaves, x_tree = jax.tree.flatten(x)
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
