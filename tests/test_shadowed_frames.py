"""Frames in whose shadow a reference starts where the policy does."""

import dataclasses
from functools import partial

import grain
import jax
import numpy as np
import pytest
from configs import untrained
from marks import slow

import rsf_jax as rsf
from rsf_jax.measures.images import image_iou
from rsf_jax.scoring.frames import shadow_batch
from rsf_jax.shadow import advance_with_shadow

SIZE = (12, 10)
REFERENCE = rsf.FixedSchedule(4, 3)
ATOL = 1e-4


@pytest.fixture(scope="module")
def trained():
    return untrained(SIZE, eval_batch_size=4)


@pytest.fixture(scope="module")
def frames():
    """A scene in which little changes, a frame that is there twice, and another scene."""
    scenes = np.zeros((2, *SIZE, 1), np.float32)
    scenes[0, 2:6, 2:5], scenes[1, 5:11, 4:9] = 1, 0.7
    shown = np.stack([scenes[0]] * 4 + [scenes[1]] * 2)
    shown[1, 6, 2:5] = shown[2:4, 6:8, 2:5] = 1
    return shown


GATE = rsf.parse_policy("gate:0:0.2+s2f1")


def _run(trained, frames, policy, reference):
    """Outputs and shadows of all frames, and the state in front of each."""
    prepared = trained.prepare(SIZE)
    state = trained.model.initial_state(1, SIZE)
    state = dataclasses.replace(state, memory=policy.init_memory(frames[:1]))
    step = jax.jit(partial(advance_with_shadow, policy=policy, reference=reference))
    found = []
    for n, frame in enumerate(frames):
        before = state
        state, out, shadow = step(prepared, state, frame[None], first=np.array([n == 0]))
        found.append((before, out, shadow))
    return found


@pytest.mark.parametrize("policy", [rsf.FixedSchedule(2, 1), GATE], ids=str)
def test_a_reference_changes_nothing_and_starts_where_the_policy_does(trained, frames, policy):
    found = _run(trained, frames, policy, REFERENCE)
    out = trained.run(frames[None], policy)
    for n, (_, mine, _) in enumerate(found):
        np.testing.assert_allclose(mine.logits[0], out.logits[0, n], atol=ATOL)
        assert mine.steps[0] == out.steps[0, n]
    begins = [0, 4] if policy == GATE else [0]
    for n, (before, _, shadow) in enumerate(found):
        start = trained.model.initial_state(1, SIZE) if n in begins else before.replace(memory=())
        state = start.replace(frame_index=np.full(1, 0 if n in begins else 5, np.int32))
        _, wanted = rsf.run_frame(
            trained.model, trained.variables, state, frames[n : n + 1], REFERENCE
        )
        np.testing.assert_allclose(shadow.logits, wanted.logits, atol=ATOL)
        assert shadow.steps[0] == wanted.steps[0] == (4 if n in begins else 3)


def test_a_frame_that_is_left_out_has_a_shadow(trained, frames):
    found = _run(trained, frames, GATE, REFERENCE)
    steps = [int(out.steps[0]) for _, out, _ in found]
    assert steps == [2, 1, 1, 0, 2, 0]
    (_, before, _), (_, repeated, shadow) = found[2], found[3]
    np.testing.assert_allclose(repeated.logits, before.logits, atol=ATOL)
    assert np.abs(shadow.logits - repeated.logits).max() > 10 * ATOL
    assert shadow.steps[0] == 3


@pytest.mark.parametrize("policy", [rsf.FixedSchedule(2, 1), GATE], ids=str)
def test_in_its_own_shadow_a_frame_is_the_same(trained, frames, policy):
    inner = getattr(policy, "inner", policy)
    for _, out, shadow in _run(trained, frames, policy, inner):
        if out.steps[0]:
            np.testing.assert_allclose(shadow.logits, out.logits, atol=ATOL)


@pytest.mark.parametrize(
    "reference", [REFERENCE, slow(rsf.parse_policy("gate:0:0.2+s4f3"))], ids=str
)
def test_shadows_of_a_split_are_scored_frame_by_frame(trained, frames, reference):
    videos = [(np.roll(frames, n, 2) * 255).astype(np.uint8) for n in range(5)]
    split = grain.MapDataset.source(
        [{"frames": v, "masks": np.full(v.shape[:3], 255, np.uint8)} for v in videos]
    )
    scores = trained.over_split(partial(shadow_batch, reference=reference))(split, GATE)
    assert scores.iou.shape == scores.steps.shape == (5, 6)
    for n, video in enumerate(videos):
        found = _run(trained, video / np.float32(255), GATE, REFERENCE)
        for t, (_, out, shadow) in enumerate(found):
            wanted = float(image_iou(out.logits, shadow.logits.argmax(-1))[0])
            assert scores.iou[n, t] == pytest.approx(wanted, abs=3e-2)
            assert scores.steps[n, t] == out.steps[0]
