"""Which frames a gate leaves out, which it begins anew with, and what becomes of all others."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from marks import slow
from recurrences import recurrence

import rsf_jax as rsf
from rsf_jax.policies import from_spec, policy_name, to_spec
from rsf_jax.policies.base import Begun, StepwisePolicy
from rsf_jax.policies.wrapper import Wrapper
from tests.policies import own

SIZE = (36, 36)
INNER = rsf.FixedSchedule(3, 1)
# Three pixels of 36x36, and sixty.
GATE = rsf.ChangeGate(0.0023, 0.046, INNER)
MODEL = rsf.build_model(rsf.get_config("quickstart").replace(channels=4, kernel_size=5))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def variables():
    return jax.jit(MODEL.init)(jax.random.key(0), jnp.zeros((1, 1, *SIZE, 1)))


def scene(rng, count=30):
    """A black frame [H, W, 1] with bright dashes."""
    frame = np.zeros((*SIZE, 1), np.float32)
    for _ in range(count):
        row, column = rng.integers(0, SIZE[0]), rng.integers(0, SIZE[1] - 4)
        frame[row, column : column + 4] = rng.uniform(0.6, 1)
    return frame


def noisy(rng, frames, deviation):
    return np.clip(frames + rng.normal(size=frames.shape) * deviation, 0, 1).astype(np.float32)


@jax.jit
def _decided(policy, frames):
    def body(memory, xs):
        frame, is_first = xs
        state = jnp.ones((frame.shape[0], 1, 1, 1))
        begun = policy.begin(recurrence(lambda c: c, state, frame=frame), is_first, memory)
        return begun.memory, (begun.first, begun.active)

    frames = jnp.moveaxis(frames, 1, 0)
    is_first = jnp.zeros((len(frames), frames.shape[1]), bool).at[0].set(True)
    _, decided = jax.lax.scan(body, policy.init_memory(frames[0]), (frames, is_first))
    return decided


def decided(policy, frames):
    """A letter for each frame [T, H, W, I]: "c" begins anew, "s" is left out, "." is neither."""
    first, active = (np.asarray(x)[:, 0] for x in _decided(policy, np.asarray(frames)[None]))
    return "".join("c" if f else "." if a else "s" for f, a in zip(first, active))


@pytest.mark.parametrize("deviation", [0, 0.05, 0.1])
def test_a_still_camera_wakes_nothing(rng, deviation):
    video = noisy(rng, np.stack([0.15 + 0.7 * scene(rng)] * 40), deviation)
    assert decided(GATE, video) == "c" + 39 * "s"


@pytest.mark.parametrize("deviation", [0, 0.05, 0.1])
@pytest.mark.parametrize("strength", [0.05, 0.1])
def test_nor_do_lamps_that_flicker(rng, deviation, strength):
    picture = 0.15 + 0.6 * scene(rng)
    light = 1 + strength * rng.uniform(-1, 1, (40, 1, 1, 1))
    veil = strength * rng.uniform(-1, 1, (40, 1, 1, 1))
    video = noisy(rng, picture * light + veil, deviation)
    found = decided(GATE, video)
    assert found.startswith("c")
    assert found.count("s") >= 38


@pytest.mark.parametrize("deviation", [0, 0.05])
def test_nor_does_daylight_that_fades(rng, deviation):
    picture = 0.1 + 0.8 * scene(rng)
    video = noisy(rng, picture * np.linspace(1, 0.55, 200)[:, None, None, None], deviation)
    assert decided(GATE, video) == "c" + 199 * "s"


def test_what_moves_too_little_to_be_seen_adds_up(rng):
    frames = [scene(rng)]
    for n in range(12):  # one pixel more with each frame
        frames.append(frames[-1].copy())
        frames[-1][n % 3 + 10, 5 + n] = 1 - frames[-1][n % 3 + 10, 5 + n].round()
    found = decided(GATE, np.stack(frames))
    assert found == "css.ss.ss.ss."


def test_a_cut_begins_anew_and_so_does_the_next(rng):
    one, two = scene(rng), scene(rng)
    video = np.stack([one, one, two, two, one])
    assert decided(GATE, video) == "cscsc"
    assert decided(GATE.replace(cut=1.0), video) == "cs.s."
    assert decided(GATE.replace(skip=1.0, cut=1.0), video) == "cssss"
    assert decided(GATE.replace(skip=0.0, cut=0.0), video) == "cscsc"


@pytest.mark.parametrize("deviation", [0, 0.05])
def test_a_cut_to_a_scene_like_it_is_a_change_or_a_cut_by_its_share(rng, deviation):
    one = 0.2 + 0.6 * scene(rng)
    two = one.copy()
    two[:12] = np.roll(one[:12], 5, 1)  # a third of the picture is another
    share = np.mean(np.abs(one - two) > 0.3)
    video = noisy(rng, np.stack([one] * 5 + [two] * 5), deviation)
    assert 0.02 < share < 0.2
    for cut, letter in ((0.7 * share, "c"), (1.3 * share, ".")):
        assert decided(GATE.replace(cut=cut), video) == f"cssss{letter}ssss"


def test_a_noisy_first_frame_is_as_good_as_any(rng):
    picture = 0.15 + 0.7 * scene(rng)
    moved = picture.copy()
    moved[3:7, 3:7] = (moved[3:7, 3:7] < 0.5) * 0.95
    video = noisy(rng, np.stack([picture] * 3 + [moved] * 3), 0.06)
    assert decided(GATE, video) == "css.ss"


def test_pooled_frames_have_less_noise(rng):
    steps = np.kron(rng.random((9, 9)), np.ones((8, 8)))[..., None].astype(np.float32)
    moved = np.roll(steps, 16, 1)
    video = noisy(rng, 0.2 + 0.6 * np.stack([steps, steps, moved, moved]), 0.1)
    assert decided(rsf.ChangeGate(0.01, 0.3, INNER), video) == "csss"
    assert decided(rsf.ChangeGate(0.01, 0.3, INNER, pool=4), video) == "cscs"


def test_samples_are_decided_apart(rng):
    one, two = scene(rng), scene(rng)
    videos = np.stack([[one, one, two, two], [one, two, two, one], [two, two, two, two]])
    first, active = _decided(GATE, videos)
    for i, video in enumerate(videos):
        alone_first, alone_active = _decided(GATE, video[None])
        np.testing.assert_array_equal(first[:, i], alone_first[:, 0])
        np.testing.assert_array_equal(active[:, i], alone_active[:, 0])
    # Each may have numbers of its own.
    each = GATE.replace(skip=np.float32([0, 0, 0]), cut=np.float32([1, 0.046, 1]))
    first, active = _decided(each, videos)
    assert np.asarray(first).T.tolist() == [[1, 0, 0, 0], [1, 1, 0, 1], [1, 0, 0, 0]]
    assert np.asarray(active).T.tolist() == [[1, 0, 1, 0], [1, 1, 0, 1], [1, 0, 0, 0]]


def _videos(rng):
    """Two videos [B, T, H, W, 1]: pauses, a change and a cut, at other times in each."""
    one, two = scene(rng), scene(rng)
    changed = one.copy()
    changed[4:10, 4:8] = 1 - changed[4:10, 4:8]
    return np.stack(
        [
            [one, one, changed, changed, two, two, two],
            [two, two, two, one, one, changed, changed],
        ]
    )


HALTING = rsf.DistanceHalting("pattern", 1e-9, 6, rtol=0.1, min_first_steps=3)


@pytest.mark.parametrize("inner", [INNER, HALTING, own.Countdown(0.001)], ids=str)
@pytest.mark.parametrize("stateful", [True, False])
def test_what_a_frame_gets_is_what_inner_gives_it(rng, variables, inner, stateful):
    videos, gate = _videos(rng), rsf.ChangeGate(0.0023, 0.046, inner)
    out = rsf.run_video(MODEL, variables, videos, gate, stateful=stateful, record_states=True)
    for i, letters in enumerate(("cs.scss", "csscs.s")):
        state = fresh = MODEL.initial_state(1, SIZE)
        for t, letter in enumerate(letters):
            frame = videos[i : i + 1, t]
            if letter == "s":
                assert out.steps[i, t] == 0
                # The first frame is read out in a program of its own.
                np.testing.assert_allclose(out.logits[i, t], out.logits[i, t - 1], atol=1e-5)
                for n in range(gate.max_steps):
                    np.testing.assert_array_equal(out.states[i, t, n], out.states[i, t - 1, -1])
                continue
            start = fresh if letter == "c" or not stateful else state
            state, one = rsf.run_frame(
                MODEL, variables, start, frame, inner, first=letter == "c", stateful=stateful
            )
            assert one.steps[0] == out.steps[i, t] > 0
            np.testing.assert_allclose(out.logits[i, t], one.logits[0], atol=1e-4)


PUT_TOGETHER = [
    "gate:0.0023:0.046+s3f1",
    "gate:0.0023:0.046+pattern:rtol=0.1:6",
    "refresh:3+gate:0.0023:0.046+s3f1",
    "gate:0.0023:0.046+refresh:2+s3f1",
    "gate:0.0:0.5+gate:0.0023:0.046:pool=2+s3f1",
]


# Without a state, one of each kind: a schedule or halting inside, a policy around the gate.
@pytest.mark.parametrize(
    ("text", "stateful"),
    [
        *((text, True) for text in PUT_TOGETHER[:3]),
        (PUT_TOGETHER[1], False),
        *(slow(text, True) for text in PUT_TOGETHER[3:]),
        *(slow(PUT_TOGETHER[n], False) for n in (0, 2)),
    ],
)
def test_videos_frames_and_streams_are_decided_alike(rng, variables, text, stateful):
    videos, policy = _videos(rng), rsf.parse_policy(text)
    expected = rsf.run_video(MODEL, variables, videos, policy, stateful=stateful)
    assert (np.asarray(expected.steps) == 0).any()
    state = MODEL.initial_state(2, SIZE)
    for t in range(videos.shape[1]):
        frame = np.rint(videos[:, t] * 255).astype(np.uint8)
        state, out = rsf.run_frame(MODEL, variables, state, frame, policy, stateful=stateful)
        np.testing.assert_array_equal(out.steps, expected.steps[:, t])
        np.testing.assert_allclose(out.logits, expected.logits[:, t], atol=0.02)
    engine = rsf.StreamEngine(MODEL, variables, policy, SIZE, slots=2, queue=9, stateful=stateful)
    streams = [engine.open(str(i)) for i in range(2)]
    for t in range(videos.shape[1]):
        for stream, video in zip(streams, videos):
            engine.submit(stream, video[t])
    results = sorted(engine.results(), key=lambda r: (r.stream, r.index))
    assert [r.steps for r in results] == np.asarray(expected.steps).ravel().tolist()
    for r in results:
        np.testing.assert_allclose(r.outputs, expected.logits[int(r.stream), r.index], atol=1e-4)


@pytest.mark.slow
def test_the_recurrent_u_net_keeps_what_it_does_not_carry_on():
    model = rsf.build_model(rsf.get_config("camvid_s2f1_dru").replace(channels=2, classes=3))
    frames = np.random.default_rng(0).random((1, 1, 16, 16, 3), np.float32).repeat(3, 1)
    variables = jax.jit(model.init)(jax.random.key(0), frames)
    gate = rsf.ChangeGate(0.01, 0.5, rsf.FixedSchedule(2, 1))
    for stateful in (True, False):
        out = rsf.run_video(model, variables, frames, gate, stateful=stateful)
        assert out.steps.tolist() == [[2, 0, 0]]
        np.testing.assert_allclose(out.logits[:, 2], out.logits[:, 0], atol=1e-5)


def test_a_state_that_another_policy_left_is_gone_on_with(rng, variables):
    one = scene(rng)[None]
    state, _ = rsf.run_frame(MODEL, variables, MODEL.initial_state(1, SIZE), one, INNER)
    state, out = rsf.run_frame(MODEL, variables, state, one, GATE)
    assert out.steps.tolist() == [1]  # no frame is known to compare with, but it is no first one
    _, out = rsf.run_frame(MODEL, variables, state, one, GATE)
    assert out.steps.tolist() == [0]


def test_numbers_are_traced(rng):
    frames, traced = jnp.asarray(_videos(rng)), []

    @jax.jit
    def active(policy):
        traced.append(policy)
        return _decided(policy, frames)[1]

    seen = {
        np.asarray(active(rsf.ChangeGate(skip, cut, rsf.Refresh(9, INNER), contrast))).tobytes()
        for skip in (0, 0.003, np.float64(0.03))
        for cut in (0.046, 1)
        for contrast in (0.1, 0.99)
    }
    assert len(traced) == 1
    assert len(seen) > 1


@pytest.mark.slow
def test_it_is_shared_among_devices(rng, variables):
    videos = np.concatenate([_videos(rng), _videos(rng)[::-1]])
    expected = rsf.run_video(MODEL, variables, videos, GATE)
    devices = jax.devices()[:2]
    mesh = jax.make_mesh((2,), ("videos",), axis_types=(AxisType.Auto,), devices=devices)

    def run(videos):
        return rsf.run_video(MODEL, variables, videos, GATE)

    shared = jax.shard_map(run, mesh=mesh, in_specs=P("videos"), out_specs=P("videos"))
    parallel = jax.pmap(run, devices=devices)
    by_device = jax.tree.map(
        lambda x: x.reshape(4, *x.shape[2:]), parallel(videos.reshape(2, 2, *videos.shape[1:]))
    )
    for out in (jax.jit(shared)(videos), by_device):
        np.testing.assert_array_equal(out.steps, expected.steps)
        np.testing.assert_allclose(out.logits, expected.logits, atol=1e-4)
    each = jax.vmap(lambda video: run(video[None]))(videos)
    np.testing.assert_array_equal(each.steps[:, 0], expected.steps)


def test_weights_of_double_precision_keep_it(rng, variables):
    videos, policy = _videos(rng), rsf.Refresh(4, GATE)
    expected = rsf.run_video(MODEL, variables, videos, policy)
    with jax.enable_x64(True):
        doubles = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), variables)
        out = rsf.run_video(MODEL, doubles, videos, policy)
        assert out.logits.dtype == np.float64
        np.testing.assert_array_equal(out.steps, expected.steps)
        state = MODEL.initial_state(2, SIZE)
        for t in range(3):
            state, one = rsf.run_frame(MODEL, doubles, state, videos[:, t], policy)
            np.testing.assert_array_equal(one.steps, expected.steps[:, t])


def test_forward_derivatives_go_through(rng, variables):
    videos = _videos(rng)

    def loss(scale):
        scaled = jax.tree.map(lambda x: x * scale, variables)
        return rsf.run_video(MODEL, scaled, videos, GATE).logits.sum()

    _, tangent = jax.jvp(loss, (1.0,), (1.0,))
    numeric = (loss(1.001) - loss(0.999)) / 0.002
    np.testing.assert_allclose(tangent, numeric, rtol=0.02)
    with pytest.raises(rsf.InputError, match="no reverse-mode derivative"):
        jax.grad(loss)(1.0)


def test_a_network_without_recurrence_has_nothing_to_leave_out(rng):
    model = rsf.build_model(rsf.get_config("quickstart_ff6").replace(channels=2))
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 1, *SIZE, 1)))
    gate = rsf.ChangeGate(0.01, 0.5, rsf.FixedSchedule(1, 1))
    # Nor to begin anew: nobody would look at what these carry.
    for policy in (gate, rsf.Refresh(2, rsf.FixedSchedule(1, 1))):
        with pytest.raises(rsf.InputError, match="no recurrent steps; use s1f1"):
            rsf.run_video(model, variables, _videos(rng), policy)


def test_numbers_of_other_samples_are_refused(rng):
    for policy in (GATE.replace(skip=np.zeros(3, np.float32)), rsf.Refresh(np.arange(1, 4), INNER)):
        with pytest.raises(rsf.InputError, match=r"has shape \[3\]: a number is needed"):
            decided(policy, _videos(rng)[0])
    with pytest.raises(rsf.InputError, match="skip is None: a number is needed"):
        decided(GATE.replace(skip=None), _videos(rng)[0])


BAD = [
    ({"skip": -0.1}, "skip is -0.1: a finite number at least 0 and at most 1 is needed"),
    ({"cut": 1.5}, "cut is 1.5: a finite number at least 0 and at most 1"),
    ({"skip": 0.5}, "skip is 0.5, above cut 0.046: lower it"),
    ({"skip": np.float32([0.01, 0.5])}, "above cut 0.046"),
    ({"skip": "0.1"}, "skip is '0.1': a number is needed"),
    ({"cut": float("nan")}, "cut is nan"),
    ({"contrast": 2}, "contrast is 2"),
    ({"deviations": float("inf")}, "deviations is inf: a finite number at least 0 is needed"),
    ({"pool": 0}, "pool is 0: a whole number of at least 1"),
    ({"pool": 2.0}, "pool is 2.0"),
    ({"inner": "s3f1"}, "inner is 's3f1': give rsf.parse_policy('s3f1')"),
    ({"inner": rsf.FixedSchedule}, "a policy that decides after every step is needed"),
    ({"inner": None}, "inner is None: a policy that decides"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_bad_settings_are_named_in_a_line(settings, message):
    with pytest.raises(rsf.InputError) as error:
        rsf.ChangeGate(**({"skip": 0.0023, "cut": 0.046, "inner": INNER} | settings))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_gates_are_compared_and_hashed():
    same = rsf.ChangeGate(jnp.float32(0.25), np.float64(0.5), INNER)
    assert rsf.ChangeGate(0.25, 0.5, INNER) == same
    assert hash(rsf.ChangeGate(0.1, 0.5, INNER)) == hash(same)
    for other in (
        rsf.ChangeGate(0.25, 0.6, INNER),
        rsf.ChangeGate(0.25, 0.5, INNER, pool=2),
        rsf.ChangeGate(0.25, 0.5, rsf.FixedSchedule(3, 2)),
        rsf.Refresh(3, INNER),
        "gate:0.25:0.5+s3f1",
    ):
        assert same != other


@pytest.mark.usefixtures("registry")
def test_wrappers_of_ones_own():
    @rsf.register_policy("every_second")
    @flax.struct.dataclass
    class EverySecond(Wrapper):
        """Leaves out every second frame."""

        inner: StepwisePolicy
        even: bool = flax.struct.field(pytree_node=False, default=True)

        def init_memory(self, frame):
            return jnp.zeros(frame.shape[0], jnp.int32), self.inner.init_memory(frame)

        def begin(self, recurrence, first, memory):
            count, inside = memory
            begun = self.inner.begin(recurrence, first, inside)
            active = jnp.asarray(begun.active) & (count % 2 == 1 - self.even)
            return Begun(begun.start, begun.first, active, (count + 1, begun.memory))

    own.register()
    rsf.register_policy("twice", lambda count, inner: rsf.Refresh(int(2 * count), inner))
    policy = rsf.Refresh(5, EverySecond(rsf.DistanceHalting(own.largest, 0.5, 12)))
    text = "refresh:5+every_second+largest:0.5:12"
    assert rsf.parse_policy(text) == policy
    assert policy_name(policy) == text
    assert from_spec(to_spec(policy)) == policy
    assert rsf.parse_policy("twice:3+countdown:0.5") == rsf.Refresh(6, own.Countdown(0.5))
    frames = np.zeros((1, 4, 12, 12, 1), np.float32)
    variables = jax.jit(MODEL.init)(jax.random.key(0), frames)
    one = EverySecond(rsf.FixedSchedule(2, 1))
    assert rsf.run_video(MODEL, variables, frames, one).steps.tolist() == [[2, 0, 1, 0]]
