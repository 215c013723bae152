"""Models as others share them: folders, the hub, and the page that goes with the weights."""

import dataclasses
import json
import shutil
import sys

import fake_hub
import jax
import numpy as np
import pages
import pytest
import yaml

import rsf_jax as rsf
from rsf_jax import interop, pretrained
from rsf_jax.config.networks import NETWORKS, kind_of, network_names
from rsf_jax.config.presets import with_model
from rsf_jax.evaluation.recorder import make_record
from rsf_jax.trained.records import Result, Still, plain_config
from rsf_jax.training.imports import import_pretrained


@pytest.fixture(scope="module")
def record(run):
    return make_record(run[1])


@pytest.fixture(scope="module")
def shared(run, record, tmp_path_factory):
    """A folder as the command export_weights writes it."""
    folder = tmp_path_factory.mktemp("weights") / "mine"
    variables = rsf.load_trained(run[1]).variables
    card = pretrained.save_pretrained("mine", record, variables, str(folder))
    assert pretrained.write_model_card(card) == folder / "README.md"
    return folder


@pytest.fixture
def hub(monkeypatch, tmp_path, shared):
    """A hub that has the folder as `someone/mine`."""
    hub = fake_hub.install(monkeypatch, tmp_path / "hub")
    hub.repositories["someone/mine"] = shared
    return hub


def _variables(config):
    rng = np.random.default_rng(0)
    shapes = interop.shapes_of(config)
    return interop.to_flax(
        {n: rng.normal(size=shape).astype(np.float32) for n, shape in shapes.items()}, config
    )


def _same(loaded, expected):
    jax.tree.map(np.testing.assert_array_equal, loaded.variables, expected)


@pytest.mark.parametrize("model", network_names())
def test_every_network_is_shared_with_the_outputs_it_has(run, record, model, tmp_path):
    """Several classes and color where the network takes them."""
    channels = kind_of(model).input_channels or (3,)
    config = with_model(run[0], model)
    steps = {"slow_steps": 2, "fast_steps": 1} if kind_of(model).recurrent else {}
    config = config.replace(
        channels=2, classes=3, input_channels=channels[-1], carry_output=False, **steps
    )
    variables = _variables(config)
    of_it = dataclasses.replace(
        record,
        config=plain_config(config),
        class_names=["sky", "a|b", "road"],
        colors=[[0, 0, 0]] * 3,
    )
    card = pretrained.save_pretrained(model, of_it, variables, tmp_path)
    text = pretrained.write_model_card(card).read_text()
    assert "0 `sky`, 1 `a/b`, 2 `road`" in text
    assert ("FixedSchedule" in text) == kind_of(model).recurrent
    assert ("\n- recurrent\n" in text) == kind_of(model).recurrent
    loaded = rsf.load_pretrained(tmp_path)
    _same(loaded, variables)
    assert loaded.model == rsf.build_model(config)
    frames = np.random.default_rng(1).random((1, 3, 16, 16, channels[-1]), np.float32)
    expected = rsf.run_video(
        rsf.build_model(config), variables, frames, loaded.schedule, stateful=config.stateful
    )
    np.testing.assert_array_equal(loaded.run(frames).logits, expected.logits)


def test_a_folder_is_loaded_wherever_it_lies(shared, tmp_path, monkeypatch):
    expected = rsf.load_pretrained(shared / "mine.json").variables
    _same(rsf.load_pretrained(str(shared)), expected)
    monkeypatch.chdir(shared)
    _same(rsf.load_pretrained("."), expected)
    # As the hub's cache has it, beside the settings of other programs.
    snapshot = tmp_path / "models--someone--mine" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for path in shared.iterdir():
        snapshot.joinpath(path.name).symlink_to(path)
    snapshot.joinpath("config.json").write_text('{"architectures": []}')
    snapshot.joinpath("list.json").write_text("[1]")
    _same(rsf.load_pretrained(snapshot), expected)
    # As made by --pretrained.
    _same(rsf.load_pretrained(import_pretrained(shared, tmp_path / "made")), expected)


def test_a_name_of_the_library_comes_before_a_folder(shared, tmp_path, monkeypatch):
    shutil.copytree(shared, tmp_path / "quickstart_live16")
    monkeypatch.chdir(tmp_path)
    assert rsf.load_pretrained("quickstart_live16").card.name == "quickstart_live16"
    assert rsf.load_pretrained("./quickstart_live16").card.name == "mine"


def test_what_a_folder_lacks_is_said(run, shared, tmp_path):
    with pytest.raises(rsf.InputError, match="has no card of a trained model of rsf_jax, a file"):
        rsf.load_pretrained(tmp_path)
    tmp_path.joinpath("config.json").write_text("{}")
    with pytest.raises(rsf.InputError, match=r"writes: config\.json are none"):
        rsf.load_pretrained(tmp_path)
    for name in ("one", "two"):
        shutil.copy(shared / "mine.json", tmp_path / f"{name}.json")
    with pytest.raises(rsf.InputError, match=r"several cards, one\.json, two\.json: name one of"):
        rsf.load_pretrained(tmp_path)
    with pytest.raises(rsf.InputError, match=r"is the folder of a run, the workdir of comm"):
        rsf.load_pretrained(run[1])


def test_a_card_decides_no_place_on_this_machine(shared, record, tmp_path):
    values = json.loads((shared / "mine.json").read_text())
    for name in ("../mine", "/tmp/mine", "..", "", "a\nb"):
        tmp_path.joinpath("bad.json").write_text(json.dumps(values | {"name": name}))
        with pytest.raises(rsf.InputError, match="cannot name a model: use letters"):
            rsf.load_pretrained(tmp_path / "bad.json")
    with pytest.raises(rsf.InputError, match="'a/b' cannot name a model"):
        pretrained.save_pretrained("a/b", record, {}, tmp_path)


def test_a_model_of_the_hub_is_its_card_and_weights(hub, shared, tmp_path):
    hub.repositories["someone/mine"] = remote = tmp_path / "remote"
    shutil.copytree(shared, remote)
    remote.joinpath("hubconf.py").write_text("raise SystemExit('executed')")
    remote.joinpath("pytorch_model.bin").write_bytes(b"pickle")
    remote.joinpath("other.safetensors").write_bytes(b"large")
    remote.joinpath("config.json").write_text("{}")
    expected = rsf.load_pretrained(shared).variables
    for address, revision in (("hf:someone/mine", None), ("hf:someone/mine@main", "main")):
        hub.fetched.clear()
        _same(rsf.load_pretrained(address), expected)
        assert sorted(hub.fetched, key=str) == [
            ("config.json", revision),
            ("mine.json", revision),
            ("mine.safetensors", fake_hub.COMMIT),
        ]


def test_weights_of_the_hub_are_checked(hub, shared, tmp_path):
    hub.repositories["a/flipped"] = flipped = shutil.copytree(shared, tmp_path / "flipped")
    content = bytearray((flipped / "mine.safetensors").read_bytes())
    content[-1] ^= 1
    (flipped / "mine.safetensors").write_bytes(content)
    with pytest.raises(rsf.InputError, match="is damaged: its SHA-256 is"):
        rsf.load_pretrained("hf:a/flipped")
    hub.repositories["a/gone"] = gone = shutil.copytree(shared, tmp_path / "gone")
    (gone / "mine.safetensors").unlink()
    with pytest.raises(rsf.InputError, match=r"hf:a/gone lacks mine\.safetensors, which its card"):
        rsf.load_pretrained("hf:a/gone")
    hub.repositories["a/pickle"] = other = shutil.copytree(shared, tmp_path / "pickle")
    values = json.loads((other / "mine.json").read_text())
    (other / "mine.json").write_text(json.dumps(values | {"weights": "../mine.pt"}))
    with pytest.raises(rsf.InputError, match=r"names mine\.pt: of the hub, files of safetensors"):
        rsf.load_pretrained("hf:a/pickle")


def test_what_the_hub_lacks_is_said(hub, tmp_path):
    hub.repositories["a/other"] = other = tmp_path / "other"
    other.mkdir()
    other.joinpath("config.json").write_text("{}")
    hub.gated.add("a/gated")
    for address, said in (
        ("hf:mine", "'hf:mine' names no model of the hub: write hf:OWNER/NAME, or"),
        ("hf://someone/mine", "names no model of the hub"),
        ("hf:a/b/c", "names no model of the hub"),
        ("hf:someone/mine@", "names no model of the hub"),
        ("https://host/someone/mine", "is an address: write hf:OWNER/NAME for a model of the hub"),
        ("hf:a/none", "the hub has no model a/none, or it is private"),
        ("hf:a/gated", "hf:a/gated is open to those its owner lets in"),
        ("hf:someone/mine@v9", "hf:someone/mine has no revision 'v9': give a branch"),
        ("hf:a/other", r"hf:a/other has no card of a trained model of rsf_jax.*config\.json are n"),
    ):
        with pytest.raises(rsf.InputError, match=said):
            rsf.load_pretrained(address)


def test_without_a_network_it_is_a_line(hub, monkeypatch):
    hub.online = False
    with pytest.raises(
        rsf.InputError, match=r"cannot be reached, and the card of someone/mine at "
    ):
        rsf.load_pretrained("hf:someone/mine@main")
    hub.online = True

    def broken(*_, **__):
        raise hub.errors.HfHubHTTPError("500\n  Server Error")

    monkeypatch.setattr(sys.modules["huggingface_hub"], "snapshot_download", broken)
    with pytest.raises(rsf.InputError, match=r"someone/mine cannot be fetched: 500 Server Error$"):
        rsf.load_pretrained("hf:someone/mine")


def test_a_model_of_the_hub_is_used_by_commands(hub, tmp_path):
    """As `--pretrained` does."""
    made = import_pretrained("hf:someone/mine", tmp_path / "made")
    assert rsf.load_trained(made).card.name == "mine"


def test_a_cell_that_is_not_registered_is_not_made_up(hub, run, record, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    config = plain_config(run[0])
    NETWORKS["shifted"] = NETWORKS["dru"]
    try:
        saved = dataclasses.replace(record, config=config | {"model": "shifted"})
        variables = _variables(rsf.Config(**saved.config))
        pretrained.save_pretrained("own", saved, variables, own)
    finally:
        del NETWORKS["shifted"]
    hub.repositories["a/own"] = own
    with pytest.raises(rsf.InputError, match=r"'shifted', which is not registered.*rsf\.register_"):
        rsf.load_pretrained("hf:a/own")


def _parts(folder):
    """The head of a model card as YAML, and the page."""
    _, head, page = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(head), page


def test_the_head_of_a_model_card_is_the_hubs(shared, record):
    head, _ = _parts(shared)
    assert head.keys() == {
        *("library_name", "pipeline_tag", "tags", "datasets", "metrics", "model-index"),
    }
    assert (head["library_name"], head["pipeline_tag"]) == ("rsf_jax", "image-segmentation")
    assert (head["datasets"], head["metrics"]) == (["t_pathfinder"], ["mean_iou"])
    (index,) = head["model-index"]
    (results,) = index["results"]
    assert index["name"] == "mine"
    assert results["task"] == {"type": "image-segmentation"}
    assert results["dataset"] == {
        "name": "t_pathfinder/tiny",
        "type": "t_pathfinder",
        "config": "tiny",
        "split": "test",
        "revision": "2.0.0",
    }
    (metric,) = results["metrics"]
    assert metric["name"] == "mIoU, s3f1"
    assert metric["value"] == pytest.approx(record.tests["s3f1"].miou, abs=1e-4)
    assert "# license: the identifier of yours" in (shared / "README.md").read_text()


def test_the_hubs_own_reader_takes_it(shared):
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(shared / "README.md")
    (result,) = card.data.eval_results
    assert (card.data.library_name, card.data.model_name) == ("rsf_jax", "mine")
    assert (result.dataset_name, result.metric_type) == ("t_pathfinder/tiny", "mean_iou")
    assert hub.ModelCardData(**card.data.to_dict()).pipeline_tag == "image-segmentation"


def test_its_program_runs_as_written(shared, monkeypatch):
    monkeypatch.chdir(shared)
    ((code, _),) = pages.blocks(_parts(shared)[1], "python")
    names = {}
    exec(code, names)
    assert names["out"].steps.tolist() == [[2, 1, 1, 1, 1]]
    assert names["trained"].card.name == "mine"


def test_the_page_says_what_the_record_knows(record, tmp_path, monkeypatch):
    test = Result(0.5, [0.75, None], [4.0, 1.0], 1234.5, 10)
    still = [Still("s3f1", 0.0, 100, 1, 0.2, {}), Still("s3f1", 0.1, 100, 100, 0.9, {})]
    saved = dataclasses.replace(
        record, tests={"s4f1": test, "s3f1": dataclasses.replace(test, miou=None)}, still=still
    )
    variables = _variables(rsf.Config(**saved.config))
    card = pretrained.save_pretrained("mine", saved, variables, tmp_path)
    monkeypatch.setattr(NETWORKS["dru"].module, "__module__", "elsewhere")
    pretrained.write_model_card(card)
    head, page = _parts(tmp_path)
    assert [m["name"] for m in head["model-index"][0]["results"][0]["metrics"]] == ["mIoU, s4f1"]
    assert "| `s4f1` | 0.500 | 0.750 | none | 2.50 | 1,234 | 10 |" in page
    assert "| `s3f1` | none |" in page
    assert "still camera (`s3f1`) it lasts 1 frame, then" in page
    assert "(`s3f1`, sensor noise 0.1 of white) it holds all 100 frames of the test" in page
    assert f"SHA-256 `{card.sha256}`" in page
    assert "none of the library" not in page
    # A page of the user's is not written over.
    path = tmp_path / "README.md"
    path.write_text("mine\n")
    assert pretrained.write_model_card(card) is None
    assert path.read_text() == "mine\n"
    path.unlink()
    bare = dataclasses.replace(saved, tests={}, still=[], version="", epochs=0.0)
    bare = dataclasses.replace(bare, config=saved.config | {"model": "dru", "channels": 2})
    pretrained.write_model_card(dataclasses.replace(card, record=bare))
    head, page = _parts(tmp_path)
    assert "model-index" not in head
    assert "None is on record." in page
    assert "Not tested in front of a still camera" in page
    assert "The network `dru` is none of the library: import the file that registers" in page
