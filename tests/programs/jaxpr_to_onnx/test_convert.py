"""Functions as models of ONNX: ONNX Runtime computes what JAX does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export, lax

import rsf_jax as rsf

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from rsf_jax.programs.jaxpr_to_onnx.convert import convert  # noqa: E402

_HALVES = np.linspace(-2.5, 2.5, 12, dtype=np.float32).reshape(2, 2, 3)


def _run(function, inputs, like=None):
    """What a function's model makes of inputs."""
    structs = {
        f"x{n}": jax.ShapeDtypeStruct(like[n] if like else x.shape, x.dtype)
        for n, x in enumerate(inputs)
    }
    model = convert(lambda _, given: [function(*given)], {}, structs, ["y"])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {f"x{n}": x for n, x in enumerate(inputs)})[0]


def _collatz(x):
    def step(state):
        n, count = state
        return jnp.where(n % 2 == 0, n // 2, 3 * n + 1), count + 1

    return lax.while_loop(lambda state: state[0] != 1, step, (6 + x[0, 0, 0].astype(jnp.int32), 0))[
        1
    ]


_OF_ONE = {
    "abs": jnp.abs,
    "all": lambda x: (x > 0).all(0),
    "any": lambda x: (x > 2).any((0, 2)),
    "argmax": lambda x: jnp.argmax(x, 1),
    "argmin": lambda x: jnp.argmin(x, -1),
    "bits": lambda x: ~x.astype(jnp.int32) & 6 | 1,
    "broadcast": lambda x: jnp.broadcast_to(x[:, None], (2, 4, 2, 3)).sum(1),
    "cast": lambda x: x.astype(jnp.uint8 if x.dtype == bool else jnp.int32),
    "ceil": jnp.ceil,
    "clip": lambda x: jnp.clip(x, -1, 1.5),
    "concatenate": lambda x: jnp.concatenate([x, 2 * x, jnp.ones((2, 1, 3))], 1),
    "cos": jnp.cos,
    "cumsum": lambda x: jnp.cumsum(x, 2),
    "divide": lambda x: x / (x + 7),
    "divide whole": lambda x: lax.div(x.astype(jnp.int32) * 7, jnp.int32(3)),
    "dynamic slice": lambda x: lax.dynamic_slice(
        x, ((9 * x[0, 0, 0]).astype(int), 1, 5), (1, 1, 2)
    ),
    "equal": lambda x: (x == x.T.T) & (x != 0.5),
    "erf": jax.scipy.special.erf,
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "expm1": jnp.expm1,
    "flip": lambda x: x[:, ::-1, ::-1],
    "floor": jnp.floor,
    "gelu": jax.nn.gelu,
    "greater": lambda x: (x > 0) | (x >= 1.5) ^ (x < -2) & ~(x <= 1),
    "is finite": lambda x: jnp.isfinite(jnp.log(jnp.abs(x) - 0.5)),
    "log": lambda x: jnp.log(jnp.abs(x) + 1e-3),
    "log1p": lambda x: jnp.log1p(jnp.abs(x)),
    "max": lambda x: jnp.maximum(x, x.min(0, keepdims=True)) + x.max((1, 2), keepdims=True),
    "minimum": lambda x: jnp.minimum(x, 0.3) - x.min(),
    "nested": jax.jit(lambda x: jax.nn.softplus(jax.nn.relu(x))),
    "pad": lambda x: jnp.pad(x, ((0, 1), (2, 0), (1, 1)), constant_values=3.0),
    "pad less": lambda x: lax.pad(x, 1.0, ((0, 0, 0), (-1, 0, 0), (2, -1, 0))),
    "power": lambda x: x**2 + x**3 + jnp.abs(x) ** 0.5 + (x + 9) ** -1,
    "product": lambda x: x.prod(1),
    "recip root": lambda x: lax.rsqrt(jnp.abs(x) + 1),
    "remainder": lambda x: lax.rem(x, 0.7),
    "reshape": lambda x: x.reshape(3, 4).T,
    "round": jnp.round,
    "round to bfloat16": lambda x: lax.reduce_precision(x / 3, 8, 7),
    "round away": lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
    "sigmoid": jax.nn.sigmoid,
    "sign": jnp.sign,
    "sin": jnp.sin,
    "slice": lambda x: x[1:, :, ::2],
    "softmax": lambda x: jax.nn.softmax(x, 1),
    "split": lambda x: jnp.split(x, [1], 2)[1],
    "square root": lambda x: jnp.sqrt(jnp.square(x)),
    "squeeze": lambda x: x[:1].squeeze(0),
    "tanh": jnp.tanh,
    "transposed twice": lambda x: jnp.moveaxis(jnp.moveaxis(x, 0, -1), 1, 0) * 2,
    "there and back": lambda x: jnp.moveaxis(jnp.moveaxis(x, 0, -1), -1, 0),
    "variance": lambda x: x.var((1, 2), keepdims=True),
    "where": lambda x: jnp.where(x > 0, x, jnp.where(x[:1] > -1, 2.0, x)),
    "while": _collatz,
    "branches of numbers": lambda x: lax.cond(x.shape[0] == 2, jnp.sin, jnp.cos, x),
    "branches": lambda x: lax.cond(x.sum() > 1, lambda x: x, lambda x: -x, x),
    "switch": lambda x: lax.switch(
        x.shape[0] + x.max().astype(jnp.int32) - 3, [jnp.sin, jnp.cos, jnp.tanh], x
    ),
    "platforms": lambda x: lax.platform_dependent(x, cpu=lambda x: x, default=lambda x: x),
    "turns": lambda x: lax.fori_loop(0, 3, lambda i, y: y * x + i, x),
    "no turns": lambda x: lax.fori_loop(0, 0, lambda i, y: y * x + i, x),
    "checkpoint": jax.checkpoint(lambda x: jnp.sin(jnp.sin(x))),
    "constants": lambda x: x + (jnp.arange(3) * jnp.linspace(0, 1, 3))[None, None],
    "nothing of it": lambda x: jnp.zeros((2, 3)) + jnp.float32(2),
    "a loop in a branch": lambda x: lax.cond(
        x.sum() > -1, lambda x: lax.fori_loop(0, 2, lambda _, y: y * x[0, 0, 1], x), jnp.cos, x
    ),
}


@pytest.mark.parametrize("name", _OF_ONE)
def test_operations_of_one_array(name):
    function = _OF_ONE[name]
    wanted, found = jax.jit(function)(_HALVES), _run(function, [_HALVES])
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def _random(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize(
    ("text", "left", "right"),
    [
        ("ij,jk->ik", (2, 3), (3, 4)),
        ("bihw,io->bohw", (2, 3, 4, 5), (3, 6)),
        ("io,bihw->obhw", (3, 6), (2, 3, 4, 5)),
        ("bphw,pc->bchw", (2, 9, 4, 5), (9, 3)),
        ("bhwd,kldc->bhkwlc", (2, 3, 4, 5), (2, 2, 5, 6)),
        ("abij,abjk->abik", (2, 3, 4, 5), (2, 3, 5, 6)),
        ("rocp,bmcrnp->robmnp", (2, 3, 4, 5), (2, 1, 4, 2, 3, 5)),
        ("ij,ij->", (2, 3), (2, 3)),
        ("i,j->ij", (2,), (3,)),
        ("bi,bi->b", (2, 3), (2, 3)),
    ],
)
def test_products(text, left, right):
    a, b = _random(left, right)
    found = _run(lambda a, b: jnp.einsum(text, a, b, precision="highest"), [a, b])
    np.testing.assert_allclose(found, np.einsum(text, a, b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "kernel"),
    [
        ({}, (3, 5, 4, 6)),
        ({"window_strides": (2, 1)}, (3, 3, 4, 6)),
        ({"rhs_dilation": (2, 2)}, (3, 3, 4, 6)),
        ({"feature_group_count": 4}, (3, 3, 1, 4)),
        ({"padding": ((0, 2), (1, 0))}, (2, 2, 4, 3)),
    ],
)
def test_convolutions(options, kernel):
    x, weights = _random((2, 9, 8, 4), kernel)
    options = {"window_strides": (1, 1), "padding": "SAME", **options}

    def convolve(x, kernel):
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(
            x, kernel, dimension_numbers=numbers, precision="highest", **options
        )

    found = _run(convolve, [x, weights])
    np.testing.assert_allclose(found, convolve(x, weights), rtol=1e-4, atol=1e-4)


def test_the_first_axis_may_have_any_length():
    (size,) = export.symbolic_shape("B")

    def function(x):
        scale = jnp.broadcast_to(x.mean((1, 2), keepdims=True), x.shape)
        count = lax.while_loop(
            lambda n: (n < 3).any(), lambda n: n + 1, jnp.zeros(x.shape[0], jnp.int32)
        )
        return jnp.concatenate([x, scale], 1).reshape(x.shape[0], -1) + count[:, None]

    for length in (1, 2):
        found = _run(function, [_HALVES[:length]], [(size, 2, 3)])
        np.testing.assert_allclose(found, function(_HALVES[:length]), rtol=1e-5)


@pytest.mark.parametrize("size", [2, "B"])
def test_arrays_of_no_elements_stay_empty(size):
    """A length of 0 would be taken for the one that is there."""
    like = (size if size == 2 else export.symbolic_shape("B")[0], 2, 3)

    def function(x):
        empty = jnp.broadcast_to(x[:, :1, None], (x.shape[0], 1, 0, 3)).reshape(x.shape[0], 0, 3)
        return jnp.concatenate([empty, x, empty], 1) + 1

    np.testing.assert_array_equal(_run(function, [_HALVES], [like]), _HALVES + 1)


def test_a_length_that_depends_on_the_first_is_named():
    like = [(export.symbolic_shape("B")[0], 2, 3)]
    with pytest.raises(rsf.InputError, match=r"has a length of B - 1: .* give a batch"):
        _run(lambda x: lax.slice_in_dim(x, x.shape[0] - 1, x.shape[0]), [_HALVES], like)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: jnp.sort(x), "'sort'"),
        (lambda x: lax.scan(lambda c, y: (c + y, c), x[0], x)[1], r"lax\.scan"),
        (lambda x: lax.pad(x, 0.0, ((0, 0, 1), (0, 0, 0), (0, 0, 0))), "between elements"),
        (lambda x: lax.conv_general_dilated(x, x, (1,), ((0, 0),), (2,)), "transposed"),
    ],
)
def test_what_has_no_form_is_named(function, words):
    with pytest.raises(rsf.InputError, match=words):
        _run(function, [_HALVES])
