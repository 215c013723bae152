"""Every cell on one's own video: color, several classes, from the folder to the report."""

import dataclasses
import json
import shutil

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config
from PIL import Image

import rsf_jax as rsf
from rsf_jax import calibration, experiment
from rsf_jax.analysis import analyze
from rsf_jax.calibration import reuse_trial
from rsf_jax.calibration.scored import label_scorer
from rsf_jax.cells import CELLS
from rsf_jax.data import dataset as data
from rsf_jax.data.building import is_built
from rsf_jax.evaluation import recorder, report
from rsf_jax.evaluation import sweep as tradeoff
from rsf_jax.evaluation.recorder import make_record
from rsf_jax.evaluation.testing import load_trained
from rsf_jax.models.base import count_parameters
from rsf_jax.models.feedforward import FeedforwardModel
from rsf_jax.pretrained import save_pretrained
from rsf_jax.reuse import ReuseNetwork, frame_network
from rsf_jax.training.imports import import_weights

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

CLASSES = ["ground", "square", "edge"]


class LeakyCell(rsf.RecurrentCell):
    """The example of `RecurrentCell`'s docstring."""

    @nn.compact
    def __call__(self, carry, drive):
        shape = (self.kernel_size, self.kernel_size, self.channels, self.channels)
        kernel = self.param("kernel", nn.initializers.orthogonal(), shape)
        return (carry + jnp.tanh(drive + self.convolve_prepared("kernel", kernel, carry))) / 2


@pytest.fixture(scope="module", autouse=True)
def cell():
    rsf.register_cell("leaky")(LeakyCell)
    yield
    del CELLS["leaky"]


def _write(folder, frames):
    """A square that moves, in each sequence as many frames."""
    for name, count in frames.items():
        for part in (name, f"{name}_mask"):
            (folder / part).mkdir(parents=True)
        for t in range(count):
            mask = np.zeros((10, 12), np.uint8)
            mask[2:8, t : t + 4], mask[2:4, t : t + 4] = 1, 2
            frame = np.stack([200 * (mask == 0), 200 * (mask > 0), 90 * mask], -1)
            Image.fromarray(frame.astype(np.uint8)).save(folder / name / f"{t}.png")
            Image.fromarray(mask).save(folder / f"{name}_mask" / f"{t}.png")
    (folder / "dataset.yaml").write_text(
        f"classes: [{', '.join(CLASSES)}]\n"
        "splits: {train: [one, four, five], validation: [two], test: [three]}\nclip_length: 4\n"
    )


@pytest.fixture(scope="module")
def changes(tmp_path_factory):
    """What a small run says beside its preset."""
    manual = tmp_path_factory.mktemp("frames")
    _write(manual, {"one": 5, "four": 5, "five": 4, "two": 4, "three": 4})
    return {
        "data_dir": str(tmp_path_factory.mktemp("built")),
        "manual_dir": str(manual),
        "channels": 3,
        "kernel_size": 3,
        "batch_size": 2,
        "updates": 2,
        "warmup_steps": 1,
        "calibration_share": 0.4,
        "eval_batch_size": 2,
        "devices": 1,
    }


@pytest.fixture(scope="module")
def workdir(changes, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    experiment.run(rsf.get_config("own_s2f1_leaky").replace(**changes), workdir)
    return workdir


@pytest.fixture(scope="module")
def opened(workdir):
    trained = load_trained(workdir)
    return trained, data.open_dataset(trained.config)


@pytest.mark.slow
def test_classes_and_channels_are_those_of_the_folder(workdir, opened):
    trained, dataset = opened
    assert (trained.config.classes, trained.config.input_channels) == (3, 3)
    assert isinstance(trained.model.cell, LeakyCell)
    assert dataset.class_names == CLASSES
    results = json.loads((workdir / "results.json").read_text())
    assert results["class_names"] == CLASSES
    assert len(results["test"]["iou"]) == 3
    for name in ("predictions.png", "confusion.png"):
        assert (workdir / name).stat().st_size > 0


def test_a_preset_leaves_to_the_checkpoint_what_it_leaves_to_the_dataset(workdir):
    preset = rsf.get_config("own_s2f1_leaky")
    assert (preset.classes, preset.input_channels) == (0, 0)
    names = {"classes": 0, "input_channels": 0, "model": "leaky"}
    assert load_trained(workdir, names).config == load_trained(workdir).config
    with pytest.raises(rsf.InputError, match=r"config\.input_channels is 0, which stands for what"):
        rsf.build_model(preset)


def test_the_report_has_the_scores_of_all_classes(workdir, opened, tmp_path):
    trained, dataset = opened
    folder = shutil.copytree(workdir, tmp_path / "run")
    policies = [rsf.FixedSchedule(2, 1), rsf.DistanceHalting(threshold=0.9, max_steps=3)]
    tradeoff.sweep(trained, dataset, folder, policies)
    target = calibration.Target("miou_drop", 0.999, confidence=0.1)
    results = calibration.calibrate(trained, dataset, folder, target, policies=policies)
    assert all(0 <= row["miou"] <= 1 for row in results["tested"])
    page = report.write_report(folder).read_text()
    for text in (*CLASSES, "accuracy", "flicker", "test videos of 3 classes", results["policy"]):
        assert text in page
    assert page.count('src="data:image') == 6  # curves (3), confusion, predictions, sweep
    assert ">class accuracy<" in page
    assert ">f1<" not in page


@pytest.mark.slow
def test_hidden_states_are_analyzed(opened, tmp_path):
    results = analyze(*opened, tmp_path, long_steps=24)
    assert 0 <= results["long_run"]["iou_at_the_end"] <= 1
    assert (tmp_path / "trajectory.png").stat().st_size > 0


def test_calibration_scores_each_video_by_itself(opened):
    trained, dataset = opened
    policy = rsf.FixedSchedule(2, 1)
    found = label_scorer(trained)(policy, dataset.test).quality
    video = dataset.test[0]
    frames = video["frames"][None] / np.float32(255)
    predicted = rsf.run_video(trained.model, trained.variables, frames, policy).logits.argmax(-1)[0]
    iou = []
    for k in range(3):
        ours, truth = np.asarray(predicted) == k, video["masks"] == k
        if (ours | truth).any():
            iou.append((ours & truth).sum() / (ours | truth).sum())
    assert found[0] == pytest.approx(np.mean(iou), abs=1e-6)


def test_color_frames_are_streamed(opened):
    trained, dataset = opened
    video, policy = dataset.test[0]["frames"], rsf.FixedSchedule(2, 1)
    frames = video[None] / np.float32(255)
    expected = rsf.run_video(trained.model, trained.variables, frames, policy).logits[0]
    engine = rsf.StreamEngine(trained.model, trained.variables, policy, (10, 12), slots=1, queue=4)
    stream = engine.open()
    for frame in video:
        engine.submit(stream, frame)
    for result in engine.results():
        np.testing.assert_allclose(result.outputs, expected[result.index], atol=1e-4)
    assert engine.statistics().done == 4


@pytest.mark.slow
def test_reuse_of_a_color_network_is_exact_and_scored_by_all_classes(opened, tmp_path):
    sizes = {"layers_count": 1, "channels": 2, "kernel_size": 3}
    model, (trained, dataset) = FeedforwardModel(**sizes, classes=3, input_channels=3), opened
    frames = dataset.test[0]["frames"][:, None] / np.float32(255)
    variables = jax.jit(model.init)(jax.random.key(4), frames[None, 0])
    network = frame_network(model)
    reuse = ReuseNetwork(network, variables, tile_side=4)
    state, outputs = reuse.init(frames[0]), []
    for frame in frames:
        state, output = reuse.step(state, frame)
        np.testing.assert_allclose(output, network(variables, frame), atol=1e-4)
        outputs.append(np.asarray(output))
    predicted = np.concatenate(outputs).argmax(-1)
    truth = dataset.test[0]["masks"].copy()
    truth[0, 0] = 255
    trained = dataclasses.replace(trained, model=model, variables=variables)
    test = dataset.test.map(lambda example: example | {"masks": truth})
    dataset = dataclasses.replace(dataset, test=test)
    results = reuse_trial.trial(trained, dataset, tmp_path, max_drop=0.999, confidence=0.1)
    used = truth != 255
    shares = [
        ((predicted == k) & (truth == k) & used).sum()
        / (((predicted == k) | (truth == k)) & used).sum()
        for k in range(3)
        if (((predicted == k) | (truth == k)) & used).any()
    ]
    assert len(shares) == 3
    assert len(np.unique(predicted)) == 2
    assert len(dataset.test) == 1
    dense, exact, _ = (row["miou"] for row in results["test"])
    assert dense == exact == pytest.approx(np.mean(shares), abs=1e-6)


def test_nothing_is_built_for_an_export(workdir, opened, tmp_path, monkeypatch):
    config = opened[0].config
    assert is_built(config)
    assert not is_built(config.replace(data_dir=str(tmp_path / "data")))
    other = shutil.copytree(config.manual_dir, tmp_path / "frames")
    (other / "one" / "0.png").write_bytes((other / "one" / "1.png").read_bytes())
    assert not is_built(config.replace(manual_dir=str(other)))
    monkeypatch.setattr(recorder, "is_built", lambda _: False)
    record = make_record(workdir)
    assert (record.class_names, record.frame_size, record.version) == (CLASSES, [10, 12], "")


def test_weights_are_exported_and_read(workdir, opened, tmp_path):
    trained, _ = opened
    save_pretrained("mine", make_record(workdir), trained.variables, tmp_path)
    loaded = rsf.load_pretrained(tmp_path / "mine.json")
    jax.tree.map(np.testing.assert_array_equal, loaded.variables, trained.variables)
    assert loaded.model == trained.model
    import_weights(tmp_path / "mine.safetensors", trained.config, tmp_path / "made")
    made = load_trained(tmp_path / "made").variables
    jax.tree.map(np.testing.assert_array_equal, made, trained.variables)


@pytest.mark.parametrize("model", ["hgru", "clstm", "ff6", "conv3ds", "leaky", "dru"])
def test_every_model_takes_color_and_any_number_of_classes(changes, model):
    name = "own_s1f1_" if model in ("hgru", "clstm", "leaky", "dru") else "own_"
    config = data.settle(rsf.get_config(f"{name}{model}").replace(**changes))
    assert (config.model, config.classes, config.input_channels) == (model, 3, 3)
    network = rsf.build_model(config.replace(classes=5))
    video = jax.ShapeDtypeStruct((2, 3, 16, 17, 3), jnp.float32)
    variables = jax.eval_shape(network.init, jax.random.key(0), video)
    policy = rsf.FixedSchedule(1, 1)
    out = jax.eval_shape(lambda v, x: rsf.run_video(network, v, x, policy), variables, video)
    assert out.logits.shape == (2, 3, 16, 17, 5)


@pytest.mark.parametrize("model", ["hgru", "clstm", "leaky"])
def test_a_gray_picture_given_as_color_begins_as_a_gray_model(model):
    config = tiny_config(model=model)
    frames = np.random.default_rng(0).random((1, 2, 9, 8, 1), np.float32)
    policy, logits = rsf.FixedSchedule(2, 1), []
    for channels in (1, 3):
        network = rsf.build_model(config.replace(input_channels=channels))
        seen = np.repeat(frames, channels, -1)
        variables = jax.jit(network.init)(jax.random.key(0), seen)
        logits.append(rsf.run_video(network, variables, seen, policy).logits)
        kernel = variables["params"]["stem"]["kernel"]
        assert kernel.shape == (7, 7, channels, 3)
    np.testing.assert_allclose(*logits, rtol=1e-5, atol=1e-5)


def test_a_color_stem_is_a_convolution_of_all_channels():
    network = rsf.build_model(rsf.get_config("quickstart").replace(channels=2, input_channels=3))
    rng = np.random.default_rng(0)
    frame, kernel = rng.random((1, 9, 8, 3)), rng.normal(size=(7, 7, 3, 2))
    params = {"kernel": jnp.float32(kernel), "bias": jnp.zeros(2)}
    variables = {"params": {"stem": params}}
    found = network.apply(variables, jnp.float32(frame), method=lambda m, x: m.stem(x))
    padded = np.pad(frame, ((0, 0), (3, 3), (3, 3), (0, 0)))
    expected = sum(
        padded[:, i : i + 9, j : j + 8] @ kernel[i, j] for i in range(7) for j in range(7)
    )
    np.testing.assert_allclose(found[0], np.moveaxis(expected[0], -1, 0) ** 2, rtol=1e-4)


def test_color_weights_of_an_hgru_have_published_names():
    config = tiny_config()
    config = config.replace(input_channels=3, classes=4)
    network = rsf.build_model(config)
    variables = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 1, 8, 8, 3)))
    tensors = rsf.interop.to_torch(variables, config)
    assert tensors["conv0.weight"].shape == (3, 3, 7, 7)
    model, loaded = rsf.interop.load_published(tensors)
    assert model == network
    assert count_parameters(loaded) == count_parameters(variables)
    jax.tree.map(np.testing.assert_array_equal, loaded, variables)


def test_a_dataset_must_say_what_its_classes_are(data_dir, changes):
    config = rsf.get_config("quickstart").replace(
        dataset="t_pathfinder/tiny", data_dir=str(data_dir)
    )
    with pytest.raises(
        rsf.InputError, match=r"does not say what its classes are: give config\.classes"
    ):
        data.settle(config.replace(classes=0))
    assert data.settle(config.replace(input_channels=0)) == config


def test_one_class_is_too_few(changes, tmp_path):
    manual = shutil.copytree(changes["manual_dir"], tmp_path / "one")
    for path in manual.rglob("*_mask/*.png"):
        Image.fromarray(np.zeros((10, 12), np.uint8)).save(path)
    text = (manual / "dataset.yaml").read_text()
    (manual / "dataset.yaml").write_text(text.replace(", square, edge", ""))
    here = {"manual_dir": str(manual), "data_dir": str(tmp_path / "built")}
    config = rsf.get_config("own_s1f1").replace(**changes | here)
    with pytest.raises(rsf.InputError, match="classes has the name 'ground' alone"):
        data.settle(config)
