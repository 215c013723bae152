"""Weights with cards: those that come with the library, and one's own."""

import dataclasses
import json
import shutil
from importlib import import_module

import jax
import numpy as np
import pytest
from marks import slow_but

import rsf_jax as rsf
from rsf_jax import interop, pretrained
from rsf_jax.config.presets import with_model
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation import recorder
from rsf_jax.evaluation.recorder import make_record
from rsf_jax.evaluation.testing import evaluate, load_trained
from rsf_jax.measures.foreground import foreground_iou
from rsf_jax.trained.records import plain_config
from rsf_jax.training.imports import import_pretrained, import_weights
from rsf_jax.training.loop import train

# Those of larger frames take longer.
_SMALL = [name for name in pretrained.pretrained_names() if name.startswith("quickstart")]


@pytest.fixture(scope="module")
def card(run, tmp_path_factory):
    """The card of the small run's weights."""
    _, workdir = run
    folder = tmp_path_factory.mktemp("weights")
    pretrained.save_pretrained(
        "mine", make_record(workdir), load_trained(workdir).variables, folder
    )
    return folder / "mine.json"


@pytest.fixture
def copy(card, tmp_path):
    """The same files, to be damaged."""
    for path in card.parent.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path / card.name


def test_weights_are_loaded_as_they_were_saved(run, card):
    config, workdir = run
    loaded, trained = rsf.load_pretrained(card), load_trained(workdir)
    jax.tree.map(np.testing.assert_array_equal, loaded.variables, trained.variables)
    assert loaded.model == trained.model
    assert loaded.config == config.replace(data_dir="", devices=0)


def test_what_was_loaded_is_shown_in_a_line(run, card):
    loaded, trained = rsf.load_pretrained(card), load_trained(run[1])
    for shown in (repr(loaded), repr(trained), str(loaded.card)):
        assert len(shown) < 200
        assert "\n" not in shown
    sizes = "quickstart: hgru, 4 channels, 2 classes, gray frames, "
    assert repr(loaded).startswith(f"<Trained mine; {sizes}")
    assert repr(trained).startswith(f"<Trained {sizes}")
    assert repr(trained).endswith(f"parameters, trained with s3f1, update {trained.update}>")


def test_weights_have_the_permissions_of_other_files(card):
    modes = {path.suffix: path.stat().st_mode for path in card.parent.iterdir()}
    assert modes.keys() == {".json", ".safetensors"}
    assert modes[".safetensors"] == modes[".json"]


def test_a_recurrent_unet_of_several_classes_is_saved_and_loaded(run, tmp_path):
    config = with_model(run[0], "dru").replace(channels=2, classes=3, carry_output=False)
    rng = np.random.default_rng(0)
    tensors = {n: rng.normal(size=shape) for n, shape in interop.shapes_of(config).items()}
    variables = interop.to_flax(tensors, config)
    record = dataclasses.replace(make_record(run[1]), config=plain_config(config))
    pretrained.save_pretrained("unet", record, variables, tmp_path)
    loaded = rsf.load_pretrained(tmp_path / "unet.json")
    jax.tree.map(np.testing.assert_array_equal, loaded.variables, variables)
    assert loaded.model == rsf.build_model(config)
    import_weights(tmp_path / "unet.safetensors", config, tmp_path / "made")
    made = load_trained(tmp_path / "made")
    jax.tree.map(np.testing.assert_array_equal, made.variables, variables)


def test_a_record_needs_no_data_that_are_not_there(run, tmp_path, monkeypatch):
    config, workdir = run
    whole = make_record(workdir)
    assert recorder.is_built(config)
    assert not recorder.is_built(config.replace(data_dir=str(tmp_path)))
    assert not any(tmp_path.iterdir())
    monkeypatch.setattr(recorder, "is_built", lambda _: False)
    assert make_record(workdir) == dataclasses.replace(whole, version="", epochs=0.0)
    shutil.copytree(workdir / "checkpoints", tmp_path / "checkpoints")
    with pytest.raises(rsf.InputError, match=r"has no results, .* are not built here: test the m"):
        make_record(tmp_path)


def test_the_card_says_what_the_run_came_to(run, card):
    config, workdir = run
    record = pretrained.read_card(card).record
    results = json.loads((workdir / "results.json").read_text())
    assert record.tests["s3f1"].miou == results["test"]["miou"]
    assert (record.update, record.updates, record.epochs) == (results["update"], 5, 1.0)
    assert (record.version, record.frame_size) == ("2.0.0", [36, 36])
    points = [json.loads(line) for line in (workdir / "curves.jsonl").read_text().splitlines()]
    rates = [p["videos_per_second"] for p in points if p["split"] == "train"]
    assert record.seconds == pytest.approx(5 * config.batch_size / rates[-1], rel=1e-6)


def test_tests_with_other_settings_are_not_the_runs_own(run, tmp_path):
    _, workdir = run
    shutil.copytree(workdir / "checkpoints", tmp_path / "checkpoints")
    results = json.loads((workdir / "results.json").read_text())
    path, settings = tmp_path / "results.json", results["config"]
    other = {"data": results["data"] | {"digest": "0" * 64}}
    for changes, more, found in (
        ({}, {}, ["s3f1"]),
        ({"data_dir": "x"}, {}, ["s3f1"]),
        ({"stateful": False}, {}, []),
        ({}, other, []),
        ({}, {"data": None}, ["s3f1"]),  # by an earlier version
        ({"gradient_frames": 2}, {}, []),
        ({}, {"update": results["update"] - 1}, []),
    ):
        path.write_text(json.dumps(results | {"config": settings | changes} | more))
        assert list(make_record(tmp_path).tests) == found
    # A setting that has come since: the test was with what is usual.
    earlier = {name: value for name, value in settings.items() if name != "gradient_frames"}
    path.write_text(json.dumps(results | {"config": earlier}))
    assert list(make_record(tmp_path).tests) == ["s3f1"]


def test_a_run_made_of_weights_is_tested_as_the_one_they_come_from(run, card, tmp_path):
    config, workdir = run
    made = import_pretrained(card, tmp_path / "made")
    trained = load_trained(made, {"data_dir": config.data_dir})
    results = evaluate(trained, open_dataset(trained.config), made)
    expected = json.loads((workdir / "results.json").read_text())
    assert results["update"] == expected["update"]
    for name, value in expected["test"].items():
        assert results["test"][name] == pytest.approx(value, rel=1e-4), name


def test_a_run_is_made_once_and_completed_after_a_kill(card, tmp_path):
    made = import_pretrained(card, tmp_path / "made")
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*") if p.is_file()}
    import_pretrained(card, made)
    assert {p: p.stat().st_mtime_ns for p in made.rglob("*") if p.is_file()} == before
    for damaged in (b"cut", None):
        made.joinpath("mine.safetensors").unlink()
        if damaged:
            made.joinpath("mine.safetensors").write_bytes(damaged)
        import_pretrained(card, made)
    assert load_trained(made).update == pretrained.read_card(card).record.update


def test_a_run_that_an_earlier_version_made_of_weights_is_used(run, card, tmp_path):
    there, made = pretrained.read_card(card), tmp_path / "made"
    import_weights(there.weights, there.config, made, there.record.update)
    shutil.copy(card, made / "pretrained.json")
    assert import_pretrained(card, made) == made
    assert load_trained(made).update == there.record.update
    assert not (made / "mine.safetensors").exists()


def test_a_folder_of_weights_has_no_other_updates(card, tmp_path):
    made = import_pretrained(card, tmp_path / "made")
    update = pretrained.read_card(card).record.update
    assert load_trained(made, update=update).card.name == "mine"
    with pytest.raises(rsf.InputError, match=f"has weights of update {update} alone, not of 9"):
        load_trained(made, update=9)


def test_a_trained_model_runs_as_it_was_trained(run, card):
    _, workdir = run
    stateless = rsf.load_trained(workdir, {"stateful": False})
    frames = np.random.default_rng(0).random((1, 3, 36, 36, 1), np.float32)
    for trained in (rsf.load_pretrained(card, {"stateful": False}), stateless):
        assert trained.schedule == rsf.FixedSchedule(3, 1)
        expected = rsf.run_video(
            trained.model, trained.variables, frames, rsf.FixedSchedule(3, 1), stateful=False
        )
        out = trained.run(frames)
        np.testing.assert_array_equal(out.logits, expected.logits)
        assert out.steps.tolist() == [[3, 1, 1]]
        assert trained.run(frames, rsf.FixedSchedule(2, 2)).steps.tolist() == [[2, 2, 2]]
        engine = trained.engine()
        stream = engine.open()
        for t in range(3):
            engine.submit(stream, frames[0, t])
        results = [result.outputs for result in engine.results()]
        np.testing.assert_allclose(results, expected.logits[0], atol=1e-5)
        assert trained.appearance.frame_size == (36, 36)
    with pytest.raises(rsf.InputError, match="belongs to another model: channels=4 there, 8 here"):
        rsf.load_pretrained(card, {"channels": 8})


def test_without_a_test_the_size_of_frames_has_to_be_given(run, tmp_path):
    shutil.copytree(run[1] / "checkpoints", tmp_path / "checkpoints")
    trained = rsf.load_trained(tmp_path)
    with pytest.raises(rsf.InputError, match="the frame size of training is not known: give fra"):
        trained.engine()
    assert trained.engine(frame_shape=(8, 9))


def test_a_folder_of_other_weights_is_left_alone(copy, card, tmp_path):
    made = import_pretrained(card, tmp_path / "made")
    values = json.loads(copy.read_text())
    copy.write_text(json.dumps(values | {"sha256": "0" * 64}))
    with pytest.raises(rsf.InputError, match="holds other weights called mine: delete it"):
        import_pretrained(copy, made)


def test_a_folder_of_another_run_is_refused_again_and_again(run, card, tmp_path):
    config, _ = run
    other = tmp_path / "other"
    train(config.replace(channels=3, updates=1), open_dataset(config), other)
    for _ in range(2):
        with pytest.raises(
            rsf.InputError, match="other holds a run that is not mine: choose another folder"
        ):
            import_pretrained(card, other)
    assert not (other / "pretrained.json").exists()


@pytest.mark.slow
def test_weights_that_were_trained_on_are_not_those_of_the_card(run, card, tmp_path):
    config, _ = run
    made = import_pretrained(card, tmp_path / "made")
    saved = load_trained(made).saved
    longer = saved.replace(data_dir=config.data_dir, epochs=2)
    train(longer.replace(lr_schedule="constant"), open_dataset(config), tmp_path / "more")
    shutil.copytree(tmp_path / "more" / "checkpoints", made / "checkpoints", dirs_exist_ok=True)
    with pytest.raises(rsf.InputError, match="holds a run that is not mine"):
        import_pretrained(card, made)


def test_a_flipped_bit_is_noticed(copy):
    weights = copy.with_suffix(".safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(rsf.InputError, match=r"mine\.safetensors is damaged: its SHA-256 is"):
        rsf.load_pretrained(copy)
    weights.unlink()
    with pytest.raises(rsf.InputError, match=r"cannot read .*mine\.safetensors: No such file"):
        rsf.load_pretrained(copy)


def test_weights_outside_the_cards_folder_are_not_read(copy):
    values = json.loads(copy.read_text())
    copy.write_text(json.dumps(values | {"weights": "/etc/../etc/passwd"}))
    assert pretrained.read_card(copy).weights == copy.with_name("passwd")


def test_unknown_names_are_told_with_those_there_are():
    with pytest.raises(rsf.InputError, match=r"there are .*quickstart"):
        rsf.load_pretrained("slowstart")
    with pytest.raises(rsf.InputError, match="did you mean 'quickstart_live16'"):
        rsf.load_pretrained("quickstart_live1")


@pytest.mark.parametrize("name", slow_but(_SMALL, pretrained.pretrained_names()))
def test_what_is_in_the_box_does_what_its_card_says(name):
    """On a few videos that are drawn here."""
    loaded = rsf.load_pretrained(name)
    config, record = loaded.config, loaded.card.record
    builder, _, subset_name = config.dataset.partition("/")
    subset = import_module(f"{builder}.subsets").SUBSETS[subset_name]
    video = import_module(f"{builder}.generator").video
    count = 10 if record.frame_size[0] < 100 else 4  # a large frame takes as long as several
    indices = subset.splits["test"][:count]
    videos = [video(subset.settings, subset.seed, index) for index in indices]
    frames, masks = (np.stack([v[key] for v in videos]) for key in ("frames", "masks"))
    n = config.shrink
    b, t, h, w = masks.shape
    frames = frames.reshape(b, t, h // n, n, w // n, n, 1).mean((3, 5)).astype(np.float32) / 255
    schedule = rsf.parse_policy(record.schedule)
    out = rsf.run_video(loaded.model, loaded.variables, frames, schedule)
    truth = masks[:, :, n // 2 :: n, n // 2 :: n] == 1
    found = np.asarray(foreground_iou(np.asarray(out.logits.argmax(-1)) == 1, truth)).mean(1)
    scatter = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - record.tests[record.schedule].miou) < 3 * scatter + 0.01
    assert not config.data_dir
    assert "/" not in config.init_from
