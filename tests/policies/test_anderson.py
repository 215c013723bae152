"""Anderson acceleration against SciPy's, TorchDEQ's, and what it must not change."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations
from marks import slow
from recurrences import TinyModel, recurrence
from scipy import optimize

import rsf_jax as rsf
from rsf_jax.policies import Anderson
from rsf_jax.policies.steering import steers

MODEL, SIZE = TinyModel(), (8, 10)
BATCH, NUMBERS = 3, 24


class Parts(NamedTuple):
    """A state of two arrays of floats, and one that counts."""

    a: jax.Array
    count: jax.Array
    b: jax.Array


def _whole(parts):
    return np.concatenate([np.asarray(x).reshape(len(x), -1) for x in (parts.a, parts.b)], 1)


def _parts(values, count=None):
    a, b = values[:, :8], values[:, 8:]
    count = jnp.zeros(len(values), jnp.int32) if count is None else count
    return Parts(a.reshape(-1, 2, 4), count, b)


def _contraction(seed, radius=0.9, curved=0.0):
    """A step on `Parts`, in float64, and its fixed point; curved: how much of it is a tanh."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(NUMBERS, NUMBERS))
    w *= radius / np.linalg.norm(w, 2)
    drive = rng.normal(size=(BATCH, NUMBERS))

    def step(parts):
        h = jnp.concatenate([parts.a.reshape(-1, 8), parts.b], 1)
        linear = h @ w.T + drive
        values = (1 - curved) * linear + curved * jnp.tanh(linear)
        return _parts(values, parts.count + 1)

    point = np.linalg.solve(np.eye(NUMBERS) - w, drive.T).T
    if curved:
        parts = _parts(jnp.asarray(point))
        for _ in range(2000):
            parts = step(parts)
        point = _whole(parts)
    return step, point


def _starts(policy, step, steps):
    """The states that steps start from, beginning at zero."""
    with jax.enable_x64(True):
        state = _parts(jnp.zeros((BATCH, NUMBERS)))
        history, found = policy.init_history(state), []

        @jax.jit
        def once(n, state, history):
            return policy.steer(n, state, step(state), history)

        for n in range(1, steps + 1):
            out = once(n, state, history)
            state, history = out.start, out.history
            assert (np.asarray(state.count) == n).all()
            found.append(_whole(state))
        return found


def _scipys(step, sample, steps, memory, ridge, mixing):
    """The same of SciPy, which solves one system."""
    found = []

    jitted = jax.jit(lambda x: step(_parts(jnp.broadcast_to(x, (BATCH, NUMBERS)))))

    def residual(x):
        return _whole(jitted(x))[sample] - x

    with jax.enable_x64(True):
        optimize.anderson(
            residual,
            np.zeros(NUMBERS),
            iter=steps,
            alpha=mixing,
            w0=ridge**0.5,
            M=memory,
            line_search=None,
            callback=lambda x, _: found.append(np.array(x)),
        )
    return found


@pytest.mark.parametrize(
    ("memory", "ridge", "mixing"), [(3, 0.0, 1.0), (5, 1e-4, 0.6), (1, 1e-2, 1.0)]
)
def test_states_are_those_of_scipy_for_each_sample(memory, ridge, mixing):
    with jax.enable_x64(True):
        step, _ = _contraction(memory, curved=0.5)
    steps = 7
    policy = Anderson(memory, rsf.FixedSchedule(9, 9), ridge, mixing)
    ours = _starts(policy, step, steps)
    for sample in range(BATCH):
        theirs = _scipys(step, sample, steps, memory, ridge, mixing)
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine[sample], other, rtol=1e-6, atol=1e-8)


def test_it_finds_the_fixed_point_of_linear_and_of_curved_steps_sooner():
    for seed, curved in ((0, 0.0), (1, 0.7)):
        with jax.enable_x64(True):
            step, point = _contraction(seed, 0.95, curved)
            plain = _parts(jnp.zeros((BATCH, NUMBERS)))
            for _ in range(25):
                plain = step(plain)
        found = _starts(Anderson(8, rsf.FixedSchedule(9, 9), 1e-8), step, 25)
        mixed, iterated = (np.abs(x - point).max() for x in (found[-1], _whole(plain)))
        assert mixed < 1e-6
        assert mixed < 1e-2 * iterated


def _unrolled(policy, step, start):
    return jax.jit(lambda x: policy.unroll(recurrence(step, x), True, ()))(start)


# h' = W h + x, from zero: the last evaluation after so many. Of torchdeq 0.1.0 (PyTorch 2.13.0,
# float64), called as below.
_TORCH_W = np.array(
    [
        [0.5, -0.2, 0.1, 0.0, 0.2],
        [0.3, 0.4, 0.0, -0.1, 0.0],
        [0.0, 0.2, 0.6, 0.1, -0.3],
        [-0.1, 0.0, 0.2, 0.3, 0.1],
        [0.2, -0.1, 0.0, 0.2, 0.4],
    ]
)
_TORCH_X = np.array([[1.0, -0.5, 0.25, 2.0, 0.0], [0.0, 1.0, -1.0, 0.5, 1.5]])
_OF_TORCHDEQ = {
    4: [
        [2.707290395618, -0.190652764284, 0.251747182109, 2.869098203725, 1.764649969943],
        [-0.228249428526, 1.551669236085, -3.441903673383, 0.129469459359, 2.322635691882],
    ],
    5: [
        [2.70806712136, 0.081694123912, -0.022709022199, 2.703482709451, 1.791503390149],
        [-0.338400237854, 1.523281908796, -3.392423873684, 0.099461248099, 2.203844727373],
    ],
    7: [
        [2.693757488971, 0.060279294028, -0.003504143286, 2.728711219951, 1.796613553883],
        [-0.390461919299, 1.452461738088, -3.368004604711, 0.118615434412, 2.167340002465],
    ],
}


def _of_torchdeq(steps):
    torch = pytest.importorskip("torch")
    anderson = pytest.importorskip("torchdeq.solver.anderson")
    w, x = torch.tensor(_TORCH_W), torch.tensor(_TORCH_X)
    # Its m counts the last evaluation, too.
    options = {"m": 4, "lam": 0.0, "tau": 1.0, "tol": 0.0, "return_final": True}
    return anderson.anderson_solver(
        lambda h: h @ w.T + x, torch.zeros_like(x), max_iter=steps, **options
    )[0].numpy()


@pytest.mark.parametrize("steps", _OF_TORCHDEQ)
@pytest.mark.parametrize("source", ["stored", "installed"])
def test_frames_leave_what_torchdeq_returns(steps, source):
    expected = _OF_TORCHDEQ[steps] if source == "stored" else _of_torchdeq(steps)
    with jax.enable_x64(True):
        w, x = jnp.asarray(_TORCH_W), jnp.asarray(_TORCH_X)
        policy = Anderson(3, rsf.FixedSchedule(steps, steps), 0.0)
        out = _unrolled(policy, lambda h: h @ w.T + x, jnp.zeros_like(x))
    np.testing.assert_allclose(out.carry, expected, rtol=1e-8)


def test_a_state_that_has_converged_stays_and_zero_residuals_are_no_nan():
    step = lambda h: 0.5 * h + 1  # noqa: E731
    start = jnp.stack([jnp.full((2, 3, 3), 2.0), jnp.zeros((2, 3, 3))])
    for ridge in (0.0, 1e-4):
        out = _unrolled(Anderson(3, rsf.FixedSchedule(12, 12), ridge), step, start)
        np.testing.assert_array_equal(out.carry[0], start[0])
        np.testing.assert_allclose(out.carry[1], 2.0, rtol=1e-6)
        halting = Anderson(3, rsf.DistanceHalting("l2", 1e-9, 12, rtol=1e-6), ridge)
        out = _unrolled(halting, step, start)
        assert out.steps[0] == 1
        assert 2 <= out.steps[1] <= 4  # a line: one difference tells all of it


def test_a_state_that_is_no_number_runs_on_and_its_mates_do_not_see_it():
    step = lambda h: 0.7 * jnp.tanh(h) + 1  # noqa: E731
    start = jnp.zeros((3, 2, 3, 3)).at[0, 0, 0, 0].set(jnp.nan).at[1].set(1e30)
    policy = Anderson(2, rsf.DistanceHalting("l2", 1e-9, 9, rtol=1e-4))
    out = _unrolled(policy, step, start)
    alone = _unrolled(policy, step, start[2:])
    assert out.steps[0] == 9
    assert out.steps[2] == alone.steps[0] < 9
    assert np.isnan(out.carry[0, 0, 0, 0])
    assert np.isfinite(out.carry[1:]).all()
    np.testing.assert_allclose(out.carry[2], alone.carry[0], rtol=1e-6)


def test_a_frame_leaves_an_evaluation_never_a_mix():
    """The step puts a mark on what it returns, which a mix would not have."""
    step = lambda h: jnp.round((0.8 * h + 1) * 8) / 8  # noqa: E731
    start = jnp.linspace(0, 3, 18).reshape(1, 2, 3, 3)
    for steps in (1, 2, 3, 5):
        out = _unrolled(Anderson(2, rsf.FixedSchedule(steps, steps)), step, start)
        np.testing.assert_array_equal(np.asarray(out.carry) * 8 % 1, 0)
        assert int(out.steps[0]) == steps


@pytest.mark.parametrize(
    ("preset", "size", "channels"),
    [
        ("quickstart", (8, 8), 1),
        ("quickstart_clstm", (8, 8), 1),
        slow("camvid_s3f3_dru", (16, 16), 3),
    ],
)
def test_every_cell_takes_it(preset, size, channels):
    config = rsf.get_config(preset).replace(channels=2, kernel_size=3, classes=2)
    model = rsf.build_model(config)
    frames = np.random.default_rng(0).random((2, 2, *size, channels), np.float32)
    variables = jax.jit(model.init)(jax.random.key(3), frames)
    inner = rsf.DistanceHalting("l2", 1e-9, 3)  # which never halts before
    plain, mixed = (
        rsf.run_video(model, variables, frames, policy, record_states=True)
        for policy in (inner, Anderson(2, inner))
    )
    np.testing.assert_array_equal(mixed.steps, 3)
    # With the first two evaluations of a frame nothing was mixed yet.
    np.testing.assert_allclose(mixed.states[:, 0, :2], plain.states[:, 0, :2], atol=1e-5)
    assert np.abs(np.asarray(mixed.states - plain.states)[:, 0, 2]).max() > 1e-4
    assert np.isfinite(mixed.logits).all()


@pytest.fixture(scope="module")
def small():
    frames = np.random.default_rng(0).random((2, 3, *SIZE, 1), np.float32)
    return MODEL, MODEL.init(jax.random.key(3), frames), frames


def test_streams_get_what_frames_get(small):
    model, variables, frames = small
    frames = frames * np.float32([1, 0.1]).reshape(2, 1, 1, 1, 1)
    policy = Anderson(2, rsf.DistanceHalting("l2", 1e-9, 6, rtol=0.05))
    engine = rsf.StreamEngine(model, variables, policy, SIZE, slots=2, queue=3)
    streams = [engine.open(str(i)) for i in range(2)]
    for t in range(3):
        for stream, video in zip(streams, frames):
            engine.submit(stream, video[t])
    results = {(int(r.stream), r.index): r for r in engine.results()}
    state, counts = model.initial_state(2, SIZE), set()
    for t in range(3):
        state, out = rsf.run_frame(model, variables, state, frames[:, t], policy)
        for i in range(2):
            assert results[i, t].steps == out.steps[i]
            np.testing.assert_allclose(results[i, t].outputs, out.logits[i], atol=1e-5)
        counts |= set(np.asarray(out.steps).tolist())
    assert len(counts) > 1


def test_one_step_on_every_frame_is_plain_bitwise(small):
    model, variables, frames = small
    alone = rsf.DistanceHalting("l2", 1e9, 1)  # the loop of schedules that are told is another
    for inner in (alone, rsf.ChangeGate(0.0, 1.0, alone)):
        plain, mixed = (
            rsf.run_video(model, variables, frames, p) for p in (inner, Anderson(5, inner))
        )
        np.testing.assert_array_equal(plain.logits, mixed.logits)


def test_gates_go_around_it_and_halting_into_it(small):
    model, variables, frames = small
    video = frames[:, [0, 0, 1]]
    policy = rsf.parse_policy("gate:0.01:1+anderson:3+pattern:rtol=0.05:9")
    out = rsf.run_video(model, variables, video, policy)
    bare = rsf.run_video(model, variables, frames[:, :2], policy.inner)
    np.testing.assert_array_equal(out.steps[:, [0, 2]], bare.steps)
    np.testing.assert_array_equal(out.steps[:, 1], 0)
    np.testing.assert_allclose(out.logits[:, [0, 2]], bare.logits, atol=1e-4)


def test_its_numbers_are_traced_and_may_be_of_each_sample(small):
    model, variables, frames = small
    inner = rsf.FixedSchedule(4, 4)

    def run(policy, frames=frames[:, :1]):
        return rsf.run_video(model, variables, frames, policy).logits

    with compilations() as compiled:
        one, other = (run(Anderson(2, inner, ridge, mixing)) for ridge, mixing in
                      ((0.5, 1.0), (1e-3, 0.5)))  # fmt: skip
    assert sum("run_video" in name for name in compiled) == 1
    both = run(Anderson(2, inner, np.float32([0.5, 1e-3]), np.float32([1.0, 0.5])))
    np.testing.assert_allclose(both, np.stack([one[0], other[1]]), atol=1e-4)
    with pytest.raises(rsf.InputError, match=r"ridge has shape \[3\]"):
        run(Anderson(2, inner, np.ones(3, np.float32)))


def test_texts_and_refusals():
    policy = rsf.parse_policy("gate:0.0023:0.046+anderson:5:mixing=0.5+s6f1")
    assert policy == rsf.ChangeGate(
        0.0023, 0.046, rsf.Anderson(5, rsf.FixedSchedule(6, 1), mixing=0.5)
    )
    assert str(policy) == "gate:0.0023:0.046+anderson:5:mixing=0.5+s6f1"
    assert steers(policy)
    assert policy.inner != rsf.Anderson(4, rsf.FixedSchedule(6, 1), mixing=0.5)
    inner = rsf.FixedSchedule(3, 3)
    for make, message in (
        (lambda: Anderson(0, inner), "memory is 0: a whole number of at least 1"),
        (lambda: Anderson(17, inner), "memory is 17: 1 to 16"),
        (lambda: Anderson(2, inner, -1.0), "ridge is -1.0"),
        (lambda: Anderson(2, inner, mixing=0.0), "mixing is 0.0: a finite number above 0"),
        (lambda: Anderson(2, inner, mixing=1.5), "mixing is 1.5"),
        (lambda: Anderson(2, Anderson(2, inner)), "says where steps start itself"),
        (lambda: Anderson(2, rsf.ChangeGate(0, 1, Anderson(2, inner))), "says where steps start"),
        (lambda: rsf.parse_policy("anderson:5"), "around another policy"),
    ):
        with pytest.raises(rsf.InputError, match=message):
            make()
