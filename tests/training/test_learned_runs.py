"""Whole runs with a halting head: trained, validated, resumed and loaded as they will be used."""

import jax
import numpy as np
import pytest
from marks import slow
from recurrences import TinyHalting

import rsf_jax as rsf
from rsf_jax.config.networks import NETWORKS
from rsf_jax.evaluation.usual_policies import default_policies
from rsf_jax.scoring.scorer import summarize
from rsf_jax.training import curves
from rsf_jax.training.loop import Outcome, train


class TinyNetwork(TinyHalting):
    """A network of one's own that can have a head."""

    classes: int = 2
    input_channels: int = 1
    ponder_prior: float = 0.2


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (12, 4, 8, 8, 1), np.uint8)
    masks = (frames[..., 0] > 150).astype(np.uint8)
    return rsf.Dataset.from_arrays(
        frames[:8], masks[:8], test=(frames[8:], masks[8:]), validation=(frames[8:], masks[8:])
    )


@pytest.fixture(autouse=True)
def registered():
    rsf.register_network("tinyhalting", rsf.NetworkKind(TinyNetwork))
    yield
    del NETWORKS["tinyhalting"]


def _config(**changes):
    settings = {
        "model": "tinyhalting",
        "channels": 3,
        "slow_steps": 3,
        "fast_steps": 3,
        "halting_head": "ponder",
        "batch_size": 4,
        "updates": 4,
        "validate_every": 2,
        "save_every": 1,
        "log_every": 1,
        "learning_rate": 0.02,
        "devices": 1,
        "augment": False,
    }
    return rsf.Config(name="hard_s8f8", **{**settings, **changes})


CASES = [
    slow({}),
    slow({"halting_head": "act", "gradient": "c_bptt"}),
    {"chunk_frames": 4, "stream_frames": 8, "stream_groups": 2, "loss": "evidential"},
]


@pytest.mark.parametrize("changes", CASES, ids=["ponder", "act", "streams"])
def test_a_run_is_resumed_exactly_and_used_as_it_was_validated(dataset, tmp_path, changes):
    config = _config(**changes)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train(config, dataset, whole) is Outcome.FINISHED
    assert train(config.replace(updates=3), dataset, broken) is Outcome.FINISHED
    assert train(config, dataset, broken) is Outcome.FINISHED
    found, same = (rsf.load_trained(folder, update=4) for folder in (whole, broken))
    jax.tree.map(np.testing.assert_array_equal, found.variables, same.variables)

    recorded = curves.read(whole)
    first, *_, last = recorded["train"].values()
    assert {"ponder_cost", "expected_steps"} <= first.keys()
    assert 1 <= last["expected_steps"] <= 3
    text = {"ponder": "ponder:0.5:3", "act": "act:0.01:3"}[config.halting_head]
    assert str(found.schedule) == text
    scored = summarize(found.scorer()(dataset.validation, found.schedule))
    assert scored.loss == pytest.approx(recorded["validation"][4]["loss"], rel=1e-5)
    assert scored.miou == pytest.approx(recorded["validation"][4]["miou"], rel=1e-5)
    kinds = {str(p).partition(":")[0] for p in default_policies(config)}
    assert config.halting_head in kinds


def test_a_head_can_be_added_to_trained_weights(dataset, tmp_path, capsys):
    plain = _config(halting_head="", updates=2, slow_steps=1, fast_steps=1)
    assert train(plain, dataset, tmp_path / "plain") is Outcome.FINISHED
    begun = _config(updates=1, init_from=str(tmp_path / "plain"))
    assert train(begun, dataset, tmp_path / "begun") is Outcome.FINISHED
    assert "Begins with the weights of update 2" in capsys.readouterr().out
    there, here = (rsf.load_trained(tmp_path / name) for name in ("plain", "begun"))
    assert "halting" in here.variables["params"]
    moved = np.abs(there.variables["params"]["weight"] - here.variables["params"]["weight"])
    assert 0 < moved.max() < 0.05  # one update away
