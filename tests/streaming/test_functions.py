"""An engine of anybody's recurrence: a solver of mazes, each of which takes its own steps."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import rsf_jax as rsf
from rsf_jax.streaming import Snapshot, StreamEngine

SIZE = (9, 11)
UNTIL_NOTHING_CHANGES = rsf.parse_policy("l2:rtol=1e-6:60")


def _begin(parameters, frames):
    """Where one may go, and where one starts."""
    free, start = frames[..., 0] > 0.5, frames[..., 1] > 0.5
    return {"free": free.astype(jnp.float32), "start": start.astype(jnp.float32)}


def _step(parameters, reached, maze):
    """What is reached spreads to free neighbors."""
    reached = jnp.maximum(reached, maze["start"])
    spread = lax.reduce_window(reached, 0.0, lax.max, (1, 3, 1), (1, 1, 1), "SAME")
    spread = jnp.maximum(
        spread, lax.reduce_window(reached, 0.0, lax.max, (1, 1, 3), (1, 1, 1), "SAME")
    )
    return jnp.maximum(spread * maze["free"], reached)


def _engine(**changes):
    given = {
        "begin": _begin,
        "step": _step,
        "hidden": lambda reached: reached[:, None],
        "readout": lambda parameters, reached: parameters["scale"] * reached[..., None],
        "initial": lambda count: jnp.zeros((count, *SIZE)),
        "parameters": {"scale": jnp.float32(2.0)},
        "policy": UNTIL_NOTHING_CHANGES,
        "frame_shape": (*SIZE, 2),
        "slots": 3,
        "stateful": False,
    }
    # As users call it: the tests' type checker would speak first.
    return inspect.unwrap(StreamEngine.from_functions.__func__)(StreamEngine, **given | changes)


def _maze(rng):
    """uint8 [H, W, 2]: what is free, and the start."""
    free = rng.random(SIZE) < 0.7
    start = tuple(rng.integers(0, SIZE))
    free[start] = True
    begins = np.zeros(SIZE, bool)
    begins[start] = True
    return np.uint8(255 * np.stack([free, begins], -1)), start


def _walked(maze, start):
    """What is reached from the start, and after how many steps nothing is new."""
    free, reached, edge, steps = maze[..., 0] > 0, {start}, {start}, 0
    while edge:
        near = {(y + dy, x + dx) for y, x in edge for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))}
        inside = {(y, x) for y, x in near if 0 <= y < SIZE[0] and 0 <= x < SIZE[1] and free[y, x]}
        edge = inside - reached
        reached |= edge
        steps += 1
    found = np.zeros(SIZE)
    found[tuple(np.transpose(list(reached)))] = 1
    return found, steps


@pytest.fixture(scope="module")
def engine():
    return _engine()


def test_mazes_take_the_steps_that_they_need(engine):
    rng = np.random.default_rng(0)
    mazes = [_maze(rng) for _ in range(24)]
    streams = [engine.open() for _ in range(6)]
    found = {}
    for place, (maze, _) in enumerate(mazes):
        engine.submit(streams[place % 6], maze, tag=place)
    for result in engine.results():
        found[result.tag] = result
    taken = []
    for place, (maze, start) in enumerate(mazes):
        reached, steps = _walked(maze, start)
        np.testing.assert_array_equal(found[place].outputs[..., 0], 2 * reached)
        assert found[place].steps == steps
        taken.append(steps)
    assert max(taken) > 3 * min(taken)
    for stream in streams:
        engine.close(stream)


def test_other_parameters_lose_no_stream(engine):
    maze, start = _maze(np.random.default_rng(1))
    stream = engine.open("a")
    engine.change(variables={"params": {"scale": jnp.float32(3.0)}})
    engine.submit(stream, maze)
    (result,) = engine.results()
    np.testing.assert_array_equal(result.outputs[..., 0], 3 * _walked(maze, start)[0])
    engine.close(stream)


def test_a_frame_of_other_channels_is_refused(engine):
    stream = engine.open("b")
    with pytest.raises(rsf.InputError, match=r"\[9, 11, 2\] is needed"):
        engine.submit(stream, np.zeros((*SIZE, 1), np.uint8))
    engine.close(stream)


def test_a_snapshot_knows_functions_by_their_names(engine):
    stream = engine.open("c")
    snapshot = engine.snapshot(stream, remove=True)
    assert "test_functions._step" in snapshot.model
    assert "0x" not in snapshot.model
    assert [s.name for s in engine.restore(snapshot)] == ["c"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": None}, "step is None: a function is needed"),
        ({"parameters": None}, "parameters are None: a mapping of arrays"),
        ({"frame_shape": SIZE}, r"frame_shape is \(9, 11\): \(height, width, channels\)"),
        ({"frame_shape": (9, 0, 2)}, "each of frame_shape is 0: a whole number of at least 1"),
        (
            {"initial": lambda count: jnp.zeros(SIZE)},
            r"initial gives an array \[9, 11\] for 3 frames: the first axis",
        ),
        ({"hidden": lambda reached: reached}, r"hidden gives \(3, 9, 11\): one array of four axes"),
        ({"hidden": lambda reached: (reached,) * 2}, "one array of four axes is needed"),
        (
            {"step": lambda parameters, reached, maze: reached[:, :4]},
            r"step makes float32\[3, 4, 11\] of a carry of float32\[3, 9, 11\]: the same shapes",
        ),
        (
            {"initial": lambda count: jnp.zeros((count, *SIZE), jnp.bfloat16)},
            r"step makes float32\[3, 9, 11\] of a carry of bfloat16\[3, 9, 11\]: .* and types",
        ),
        (
            {
                "begin": lambda parameters, frames: frames.mean(),
                "step": lambda parameters, reached, mean: reached,
            },
            r"begin gives an array \[\] for 3 frames",
        ),
        (
            {"readout": lambda parameters, reached: (reached[..., None],) * 2},
            r"readout gives .*: one array of four axes is needed, \[B, H, W, K\]",
        ),
        ({"parameters": {"scale": "two"}}, r"parameters\['scale'\] is 'two': an array is needed"),
        (
            {"readout": lambda parameters, reached: reached.sum()},
            r"readout gives an array \[\] for 3 frames",
        ),
    ],
)
def test_functions_that_do_not_fit_each_other_are_named(changes, message):
    with pytest.raises(rsf.InputError, match=message):
        _engine(**changes)


def test_what_a_function_raises_is_raised_as_it_is():
    def step(parameters, reached, maze):
        raise LookupError("no door")

    with pytest.raises(LookupError, match="no door"):
        _engine(step=step)


def _with_others(reached):
    """A state of a map, a single number and numbers that NumPy itself has no kind for."""
    return {"map": reached, "age": jnp.zeros(len(reached), jnp.int32), "half": reached.astype(HALF)}


HALF = jnp.bfloat16


def test_states_and_outputs_of_any_numbers_are_kept_in_a_file():
    def step(parameters, carry, maze):
        reached = _step(parameters, carry["map"], maze)
        return _with_others(reached) | {"age": carry["age"] + 1}

    def engine():
        return _engine(
            step=step,
            initial=lambda count: _with_others(jnp.zeros((count, *SIZE))),
            hidden=lambda carry: carry["map"][:, None],
            readout=lambda parameters, carry: carry["map"][..., None],
            transform=lambda logits: {"count": logits.sum((1, 2, 3)), "half": logits.astype(HALF)},
            policy=rsf.parse_policy("gate:0.01:0.9+s5f2"),
            stateful=True,
            slots=1,
        )

    maze, _ = _maze(np.random.default_rng(0))
    one, two = engine(), engine()
    one.submit(one.open("a"), maze)
    first = next(one.results())
    snapshot = Snapshot.from_bytes(one.snapshot().to_bytes())
    (told,) = snapshot.streams
    assert {(x.dtype.name, x.ndim) for x in told.carry} == {
        *(("float32", 2), ("int32", 0), ("bfloat16", 2))
    }
    (again,) = two.restore(snapshot)
    two.submit(again, maze)
    repeated = next(two.results())
    assert (repeated.status, repeated.outputs["count"].shape) == ("repeated", ())
    assert repeated.outputs["count"] == first.outputs["count"]
    np.testing.assert_array_equal(repeated.outputs["half"], first.outputs["half"])
