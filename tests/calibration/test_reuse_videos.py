"""The launcher of reuse on video files: work, time and error of every frame, and masks."""

import json

import filming
import jax
import numpy as np
import pytest
from PIL import Image

import rsf_jax as rsf
from rsf_jax.calibration import reuse_videos
from rsf_jax.calibration.reuse_videos import Settings, network_of, run_on_videos
from rsf_jax.reuse import ReuseNetwork, frame_network, load_thresholds, save_thresholds
from rsf_jax.trained.model import Trained

SIZE = (24, 32)


@pytest.fixture(scope="module")
def trained():
    config = rsf.get_config("quickstart_ff6").replace(channels=2, kernel_size=3)
    model = rsf.build_model(config)
    variables = jax.jit(model.init)(jax.random.key(0), np.zeros((1, 1, 24, 32, 1), np.float32))
    leaves, tree = jax.tree.flatten(variables)
    rng = np.random.default_rng(0)  # so that what is seen makes a difference
    variables = jax.tree.unflatten(tree, [x + rng.uniform(0, 0.5, x.shape) for x in leaves])
    return Trained(config, config, model, variables, 0)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A folder of images without loss: a square moves, then nothing does."""
    folder = tmp_path_factory.mktemp("frames")
    image = np.full((24, 32, 3), 90, np.uint8)
    image[::3, ::5] = 140
    for t in range(5):
        shown = image.copy()
        at = min(t, 3)
        shown[4 + at : 8 + at, 6:10] = 250
        Image.fromarray(shown).save(folder / f"{t:06d}.png")
    return folder


def _by_tiles(trained, thresholds=0.0):
    """Such frames are so small that they would be computed as a whole."""
    network = frame_network(trained.model)
    return ReuseNetwork(network, trained.variables, thresholds=thresholds, tile_side=8)


def test_every_frame_is_measured_and_its_mask_written(trained, clip, tmp_path):
    settings = Settings([str(clip)], tmp_path, ("masks", "json"), frame_size=SIZE, compare_every=2)
    (found,) = run_on_videos(trained, _by_tiles(trained), settings)
    assert found.frames == [0, 1, 2, 3, 4]
    assert len(found.work) == len(found.milliseconds) == 5
    assert len(found.error) == len(found.other_classes) == len(found.dense_milliseconds) == 3
    assert max(found.error) < 1e-5
    assert found.work[4] == 0
    assert 0 < found.work[2] <= 1
    written = json.loads((tmp_path / reuse_videos.FILE).read_text())["inputs"][0]
    assert written["work"] == found.work
    assert len(list((tmp_path / f"{clip.name}_masks").iterdir())) == 5
    assert len((tmp_path / f"{clip.name}.jsonl").read_text().splitlines()) == 5
    with pytest.raises(rsf.InputError, match="exists already"):
        run_on_videos(trained, network_of(trained, "region", {}), settings)


def test_thresholds_of_a_file_are_taken(trained, clip, tmp_path):
    save_thresholds(tmp_path / "thresholds.json", {"frame": 2.0})
    thresholds = load_thresholds(tmp_path / "thresholds.json")
    settings = Settings([str(clip)], tmp_path, frame_size=SIZE, max_frames=3)
    (found,) = run_on_videos(trained, _by_tiles(trained, thresholds), settings)
    assert found.work[1:] == [0, 0]  # nothing of the frame changes by that much
    assert max(found.error) > 1e-3


def test_a_film_is_read_and_nothing_is_asked_for_twice(trained, tmp_path, capsys):
    film = filming.film(tmp_path / "film.mp4", filming.scenes(3))
    settings = Settings([str(film)], tmp_path, ("overlay",), frame_size=SIZE)
    with pytest.raises(rsf.InputError, match="is an input"):
        run_on_videos(trained, network_of(trained, "region", {}), settings)
    out = tmp_path / "out"
    out.mkdir()
    found = run_on_videos(
        trained,
        network_of(trained, "region", {}),
        Settings([str(film)], out, frame_size=SIZE, compare_every=0),
    )
    reuse_videos.print_measured(found)
    assert "film" in capsys.readouterr().out
    assert not found[0].error
    with pytest.raises(rsf.InputError, match=r"inputs is 'door.mp4': a list of video"):
        run_on_videos(trained, _by_tiles(trained), Settings("door.mp4", tmp_path))
    with pytest.raises(rsf.InputError, match="no inputs"):
        run_on_videos(trained, network_of(trained, "region", {}), Settings([], out))
