"""More steps on larger problems."""

from types import SimpleNamespace

import grain
import numpy as np
import pytest
from configs import untrained

import rsf_jax as rsf
from rsf_jax.evaluation import extrapolation
from rsf_jax.evaluation.extrapolation import Settings, extrapolate
from rsf_jax.measures.images import image_iou

SIZE = (12, 10)


def test_rows_are_what_models_do(monkeypatch):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (7, 1, *SIZE, 1)).astype(np.uint8)
    masks = (frames[..., 0] > 150).astype(np.uint8)
    videos = grain.MapDataset.source([{"frames": f, "masks": m} for f, m in zip(frames, masks)])

    def opened(config):
        assert config.dataset == "mazes/static7"
        return SimpleNamespace(test=videos, frame_shape=SIZE, identity=None)

    monkeypatch.setattr(extrapolation, "open_dataset", opened)
    trained, told = untrained(SIZE), []
    settings = Settings(("mazes/static7",), (1, 3), ("pattern:rtol=0.2:9",), videos=6)
    found = extrapolate(trained, settings, told.append)["datasets"]["mazes/static7"]
    assert (found["videos"], found["size"]) == (6, list(SIZE))
    assert [row["policy"] for row in found["rows"]] == ["s1f1", "s3f3", "pattern:rtol=0.2:9"]
    for row in found["rows"]:
        out = trained.run(frames[:6], rsf.parse_policy(row["policy"]))
        iou = image_iou(out.logits, masks[:6].astype(np.int32))
        assert row["miou"] == pytest.approx(float(iou.mean()), abs=1e-4)
        assert row["steps"] == pytest.approx(float(out.steps.mean()))
    assert told[1].startswith("mazes/static7: s3f3: mIoU ")


def test_what_has_no_steps_is_refused():
    trained = untrained(SIZE, model="ff6", norm_statistics="batch", slow_steps=1, fast_steps=1)
    with pytest.raises(rsf.InputError, match="no recurrent steps"):
        extrapolate(trained, Settings(("mazes/static7",)))
