"""Weights that programs store small."""

import dataclasses

import jax
import numpy as np
import pytest
from configs import untrained

import rsf_jax as rsf
from rsf_jax import programs

SIZE = (12, 14)


@pytest.fixture(scope="module")
def trained():
    return untrained(SIZE)


def _kernels(variables):
    return [x for x in jax.tree.leaves(variables) if x.ndim >= 2 and x.size >= 8 * x.shape[-1]]


@pytest.mark.parametrize(("kind", "most"), [("bfloat16", 2**-8), ("int8", 0.5 / 127)])
def test_kernels_are_rounded_by_channel_and_the_rest_is_not(trained, kind, most):
    rounded = programs.rounded(trained.variables, kind)
    assert jax.tree.structure(rounded) == jax.tree.structure(trained.variables)
    for old, new in zip(_kernels(trained.variables), _kernels(rounded)):
        largest = np.abs(old).max(tuple(range(old.ndim - 1)))
        assert (np.abs(new - old) <= most * largest * 1.001).all()
        assert not np.array_equal(new, old)
    small = [
        (old, new)
        for old, new in zip(*map(jax.tree.leaves, (trained.variables, rounded)))
        if old.ndim < 2
    ]
    assert small
    for old, new in small:
        np.testing.assert_array_equal(old, new)


def test_a_channel_of_zeros_stays_one():
    variables = {"params": {"kernel": np.zeros((3, 3, 2, 2), np.float32)}}
    np.testing.assert_array_equal(programs.rounded(variables, "int8")["params"]["kernel"], 0)


@pytest.mark.parametrize("form", ["stablehlo", "onnx"])
@pytest.mark.parametrize("kind", ["bfloat16", "int8"])
def test_a_program_computes_with_the_rounded_weights(trained, tmp_path, form, kind):
    if form == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    policy = rsf.FixedSchedule(2, 1)
    options = {"format": form, "frame_shape": SIZE, "platforms": ["cpu"]}
    folder = programs.export_program(trained, policy, tmp_path / "small", weights=kind, **options)
    rounded = programs.rounded(trained.variables, kind)
    frames = np.random.default_rng(0).integers(0, 256, (6, *SIZE, 1), np.uint8)
    found = programs.compare(
        folder, dataclasses.replace(trained, variables=rounded), policy, frames
    )
    assert found.difference < 1e-4
    apart = programs.compare(folder, trained, policy, frames)
    assert apart.difference > 10 * found.difference
