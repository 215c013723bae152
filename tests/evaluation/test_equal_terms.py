"""Rules of halting, solvers and starts, on the same frames."""

import dataclasses

import grain
import numpy as np
import pytest
from configs import untrained

import rsf_jax as rsf
from rsf_jax.data.dataset import Dataset
from rsf_jax.evaluation import equal_terms
from rsf_jax.evaluation.equal_terms import Case, Settings, cases, compare_on_equal_terms
from rsf_jax.measures.images import image_iou

SIZE = (12, 10)
_CASES = [
    Case("fixed", "plain", True, False, rsf.parse_policy("s3f2")),
    Case("fixed", "plain", False, False, rsf.parse_policy("s3f3")),
    Case("fixed", "anderson:5", True, False, rsf.parse_policy("anderson:5+s3f3")),
    Case("distance", "plain", True, True, rsf.parse_policy("gate:0.1:0.9+pattern:rtol=0.1:4")),
]


@pytest.fixture(scope="module")
def trained():
    return untrained(SIZE)


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (9, 4, *SIZE, 1)).astype(np.uint8)
    frames[:, 2] = frames[:, 1]  # nothing happens
    masks = (frames[..., 0] > 150).astype(np.uint8)
    distance = np.tile(np.array([40, 12, 0, 5], np.int32), (9, 1))
    distance[0, 1] = 9
    videos = [{"frames": f, "masks": m, "distance": d} for f, m, d in zip(frames, masks, distance)]
    split = grain.MapDataset.source(videos)
    return Dataset(split, split, split, None, SIZE)


def test_every_case_is_there_once():
    config = rsf.get_config("quickstart_s3f1")
    found = cases(config, Settings(gate="gate:0.01:0.5"))
    assert len({(*dataclasses.astuple(c)[1:4], str(c.policy)) for c in found}) == len(found)
    texts = {(c.solver, c.warm, str(c.policy)) for c in found}
    assert ("plain", False, "s24f24") in texts
    assert ("anderson:5", True, "anderson:5+s2f2") in texts
    assert ("anderson:5", True, "anderson:5+s1f1") not in texts
    late = {str(c.policy) for c in cases(config, Settings(cap=48))}
    assert "readout:news:0.0:48:min_steps=4:min_first_steps=16" in late
    assert all(c.gated == str(c.policy).startswith("gate:0.01:0.5+") for c in found)
    assert {c.family for c in found} == {"fixed", "distance", "ratio", "readout"}
    learned = cases(rsf.get_config("quickstart_ponder6"), Settings())
    assert any(c.family == "learned" and str(c.policy).startswith("ponder:") for c in learned)


def test_rows_are_what_models_do(trained, dataset, monkeypatch):
    monkeypatch.setattr(equal_terms, "cases", lambda *_: _CASES)
    settings = Settings(videos=5, streams=0, timed=True)
    found = compare_on_equal_terms(trained, dataset, settings)
    assert found["clips"]["videos"] == 5
    assert "live" not in found
    frames = np.stack([v["frames"] for v in dataset.test[:5]])
    masks = np.stack([v["masks"] for v in dataset.test[:5]]).astype(np.int32)
    for case, row in zip(_CASES, found["clips"]["rows"], strict=True):
        out = rsf.run_video(
            trained.model, trained.variables, frames, case.policy, stateful=case.warm
        )
        iou = np.asarray(image_iou(out.logits, masks))
        steps = np.asarray(out.steps)
        assert row["miou"] == pytest.approx(iou.mean(), abs=1e-4)
        np.testing.assert_allclose(row["by_video"], iou.mean(1), atol=2e-4)
        assert row["steps"] == pytest.approx(steps.mean())
        assert row["milliseconds"] > 0
    gated = found["clips"]["rows"][-1]
    assert gated["steps"] < 3  # a frame of four is passed over


def test_steps_are_put_beside_distances(trained, dataset, monkeypatch):
    monkeypatch.setattr(equal_terms, "cases", lambda *_: _CASES[:1])
    settings = Settings(videos=5, streams=0)
    found = compare_on_equal_terms(trained, dataset, settings)["clips"]
    reach = trained.config.kernel_size - 1
    # The first frame is left out, and where there is no news.
    needed = sorted({-(-d // reach) for d in (12, 9, 5)})
    assert [n for n, _, _ in found["rows"][0]["by_distance"]] == needed
    assert sum(count for _, _, count in found["rows"][0]["by_distance"]) == 10
    assert all(mean == 2 for _, mean, _ in found["rows"][0]["by_distance"])
    assert found["rows"][0]["follows"] is None  # always two steps
    assert all(share > 0.9 for _, share, _ in found["pixels"]["by_distance"])


def test_a_video_without_a_label_has_no_score(trained, dataset, monkeypatch):
    monkeypatch.setattr(equal_terms, "cases", lambda *_: _CASES[:1])
    settings = Settings(videos=3, streams=0)
    (whole,) = compare_on_equal_terms(trained, dataset, settings)["clips"]["rows"]
    videos = [dataset.test[n] for n in range(3)]
    videos[1] = {**videos[1], "masks": np.full_like(videos[1]["masks"], 255)}
    sparse = dataclasses.replace(dataset, test=grain.MapDataset.source(videos))
    (row,) = compare_on_equal_terms(trained, sparse, settings)["clips"]["rows"]
    first, _, last = whole["by_video"]
    assert row["by_video"] == [first, None, last]
    assert row["miou"] == pytest.approx((first + last) / 2, abs=1e-4)


def test_streams_are_composed_of_the_videos(trained, dataset, monkeypatch):
    monkeypatch.setattr(equal_terms, "cases", lambda *_: _CASES[:1])
    found = compare_on_equal_terms(trained, dataset, Settings(videos=0, streams=2))
    assert (found["live"]["videos"], found["live"]["frames"]) == (2, 60)
    assert "clips" not in found


def test_what_has_no_steps_is_refused(dataset):
    trained = untrained(SIZE, model="ff6", norm_statistics="batch", slow_steps=1, fast_steps=1)
    with pytest.raises(rsf.InputError, match="no recurrent steps"):
        compare_on_equal_terms(trained, dataset, Settings())
