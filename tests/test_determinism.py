"""What README guarantees of seeds: the same data, order and start everywhere, bitwise."""

import hashlib
import itertools

import jax
import numpy as np

import rsf_jax as rsf
from rsf_jax.data.batches import training_batches
from rsf_jax.data.dataset import open_dataset
from rsf_jax.training.state import build_optimizer, create_state

# Recorded once; another machine, device or version that differs breaks the guarantee.
_BATCHES = "44a91080faefa1a2be263582bdab66a983309521e1f31703b9915ad58a65d9e2"
_PARAMETERS = {"absolute sum": 892.657453, "sum of squares": 644.016227}


def _config(data_dir):
    return rsf.get_config("quickstart").replace(
        dataset="t_pathfinder/tiny", data_dir=str(data_dir), batch_size=8, validation_share=0.1
    )


def test_videos_their_order_and_flips_are_those_that_were_recorded(data_dir):
    config, found = _config(data_dir), hashlib.sha256()
    for batch in itertools.islice(training_batches(open_dataset(config), config, 0), 10):
        for array in (batch.frames, batch.masks, batch.weights):
            found.update(np.ascontiguousarray(array).tobytes())
    assert found.hexdigest() == _BATCHES


def test_first_parameters_are_those_that_were_recorded(data_dir):
    config = _config(data_dir)
    state = create_state(rsf.build_model(config), build_optimizer(config, 5), 0, (36, 36))
    values = np.concatenate([np.ravel(x) for x in jax.tree.leaves(state.params)]).astype(float)
    # Up to rounding: normal numbers are made by functions that differ in the last bit.
    np.testing.assert_allclose(np.abs(values).sum(), _PARAMETERS["absolute sum"], rtol=1e-6)
    np.testing.assert_allclose((values**2).sum(), _PARAMETERS["sum of squares"], rtol=1e-6)
