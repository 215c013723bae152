"""What small weights cost, and where it is kept."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from configs import tiny_config

import rsf_jax as rsf
from rsf_jax import programs
from rsf_jax.data.dataset import open_dataset
from rsf_jax.programs.scores import print_scores, scores, write_scores
from rsf_jax.scoring.scorer import summarize
from rsf_jax.trained.model import Trained


def test_scores_are_those_of_the_rounded_weights_and_stand_in_the_manifest(
    data_dir, tmp_path, capsys
):
    config = tiny_config(data_dir)
    dataset, policy = open_dataset(config), rsf.FixedSchedule(1, 1)
    model = rsf.build_model(config)
    frames = np.zeros((1, 1, *dataset.frame_shape, 1), np.float32)
    variables = model.init(jax.random.key(0), frames)
    trained = Trained(config, config, model, variables, 0)
    found = scores(trained, policy, dataset, "int8", streams=1, length=6)
    small = dataclasses.replace(trained, variables=programs.rounded(variables, "int8"))
    wanted = summarize(small.scorer()(dataset.test, policy))
    assert found.miou == pytest.approx(wanted.miou)
    assert (found.weights, found.steps, found.live_steps) == ("int8", 1, 1)
    assert 0 <= found.live_miou <= 1

    options = {"weights": "int8", "frame_shape": dataset.frame_shape, "platforms": ["cpu"]}
    programs.export_program(trained, policy, tmp_path, **options)
    write_scores(tmp_path, [found])
    told = json.loads((tmp_path / "manifest.json").read_text())
    assert told["scores"] == [dataclasses.asdict(found)]
    assert told["weights"] == "int8"
    print_scores([found])
    assert f"{found.miou:.3f}" in capsys.readouterr().out
