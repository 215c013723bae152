"""Networks of one's own that are no cells: from one entry to training, testing and weights."""

import dataclasses
import json
from fractions import Fraction

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import rsf_jax as rsf
from rsf_jax import experiment, interop
from rsf_jax.cells import CELLS, HGRUCell
from rsf_jax.config import networks
from rsf_jax.config.networks import GIVEN, NETWORKS, NetworkKind, kind_of, network_names
from rsf_jax.config.presets import with_model
from rsf_jax.config.registry import load_cells
from rsf_jax.data import dataset as data
from rsf_jax.evaluation.recorder import make_record
from rsf_jax.evaluation.testing import load_trained
from rsf_jax.models.formats import Signature
from rsf_jax.models.recurrent_unet import RecurrentUNet
from rsf_jax.pretrained import save_pretrained
from rsf_jax.trained.records import read_record
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.imports import import_weights

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")


@pytest.fixture(autouse=True)
def registered():
    """What a test registers ends with it."""
    before = dict(CELLS), dict(NETWORKS)
    yield
    for registry, names in zip((CELLS, NETWORKS), before):
        registry.clear()
        registry.update(names)


class Blur(rsf.VideoModel):
    """h' = tanh(3x3 convolutions of frame and state), `depth` of them."""

    channels: int = 4
    classes: int = 2
    input_channels: int = 1
    depth: int = 1
    gain: float = 1.0

    def setup(self):
        self.into = nn.Conv(self.channels, (3, 3))
        self.layers = [nn.Conv(self.channels, (3, 3)) for _ in range(self.depth)]
        self.out = nn.Conv(self.classes, (1, 1))

    def initial_carry(self, batch_size, height, width):
        return jnp.zeros((batch_size, self.channels, height, width), jnp.float32)

    def prepare(self, frame_shape):
        pass

    def drive(self, frame):
        return jnp.moveaxis(self.into(frame), -1, 1)

    def step(self, carry, drive):
        x = jnp.moveaxis(carry + drive, 1, -1)
        for layer in self.layers:
            x = jnp.tanh(self.gain * layer(x))
        return jnp.moveaxis(x, -1, 1)

    def hidden(self, carry):
        return carry

    def readout(self, carry):
        return self.out(jnp.moveaxis(carry, 1, -1))


class Once(Blur):
    """The same without recurrence, for frames of color alone."""

    recurrent = False

    def video(self, frames):
        batch_size, length, height, width, _ = frames.shape
        start = self.initial_carry(batch_size * length, height, width)
        _, logits = self.once(start, frames.reshape(-1, *frames.shape[2:]))
        return logits.reshape(batch_size, length, *logits.shape[1:])


def _register(name="blur", module=Blur, **entry):
    rsf.register_network(name, NetworkKind(module, **entry))


def _tiny(data_dir, name="quickstart_blur", **changes):
    return rsf.get_config(name).replace(
        dataset="t_pathfinder/tiny",
        data_dir=str(data_dir),
        channels=3,
        updates=2,
        warmup_steps=1,
        batch_size=2,
        eval_batch_size=4,
        devices=1,
        **changes,
    )


def test_one_entry_is_enough_to_train_test_and_export(tmp_path, data_dir):
    _register()
    config = _tiny(data_dir, options="gain=0.5, depth=2")
    assert config.options == "depth=2,gain=0.5"
    experiment.run(config, tmp_path / "run")
    trained = load_trained(tmp_path / "run")
    assert trained.saved == config
    assert trained.model == Blur(3, 2, 1, depth=2, gain=0.5)
    assert "quickstart_blur: blur (depth=2,gain=0.5), 3 channels" in repr(trained)
    assert set(trained.variables["params"]) == {"into", "layers_0", "layers_1", "out"}
    record = make_record(tmp_path / "run")
    assert record.config["options"] == "depth=2,gain=0.5"
    assert "options=depth=2,gain=0.5" in record.label
    save_pretrained("mine", record, trained.variables, tmp_path)
    loaded = rsf.load_pretrained(tmp_path / "mine.json")
    assert loaded.model == trained.model
    jax.tree.map(np.testing.assert_array_equal, loaded.variables, trained.variables)
    assert "params.layers_1.kernel" in safetensors.numpy.load_file(tmp_path / "mine.safetensors")
    import_weights(tmp_path / "mine.safetensors", config, tmp_path / "made")
    jax.tree.map(
        np.testing.assert_array_equal, load_trained(tmp_path / "made").variables, trained.variables
    )
    with pytest.raises(rsf.InputError, match=r"other model: options='depth=2,gain=0\.5' there, ''"):
        load_trained(tmp_path / "run", {"options": ""})
    with pytest.raises(rsf.InputError, match=r"other settings: options='depth=2,gain=0\.5' the"):
        experiment.run(config.replace(options="depth=2"), tmp_path / "run")
    del NETWORKS["blur"]
    with pytest.raises(rsf.InputError, match=r"'blur', which is not reg.*register_network\(\"blur"):
        load_trained(tmp_path / "run")


def test_a_network_without_recurrence_is_trained_on_whole_videos(tmp_path, data_dir):
    _register("once", Once)
    config = _tiny(data_dir, "quickstart_once")
    assert (config.slow_steps, config.fast_steps, config.norm_statistics) == (1, 1, "sample")
    experiment.run(config, tmp_path)
    assert load_trained(tmp_path).model == Once(3)
    with pytest.raises(rsf.InputError, match="slow_steps is 2: it must be 1: model once has no"):
        config.replace(slow_steps=2)


def test_presets_follow_the_recipe_of_a_network():
    _register()
    _register("unet", recipe="scenes")
    _register("once", Once, widening=Fraction(1, 2))
    _register("once_scenes", Once, recipe="scenes")
    assert rsf.get_config("camvid_once_scenes").step_decay == 0
    own = rsf.get_config("own_s2f1_blur_stateless")
    assert (own.model, own.slow_steps, own.classes, own.stateful) == ("blur", 2, 0, False)
    assert own.replace(name="", model="hgru") == rsf.get_config("own_s2f1_stateless").replace(
        name=""
    )
    scenes = rsf.get_config("own_s2f1_unet").replace(name="", model="dru")
    assert scenes == rsf.get_config("own_s2f1_dru").replace(name="")
    assert rsf.get_config("camvid_s2f1_unet").dataset == "camvid/pairs"
    assert rsf.get_config("hard_s2f1_blur").model == "blur"
    assert rsf.get_config("pathfinder14_c_rbp_n20_blur").gradient == "c_rbp"
    assert rsf.get_config("own_once").channels == rsf.get_config("own_s1f1").channels // 2
    for name, meant in (
        ("own_s2f1_blr", "own_s3f1_blur"),
        ("quickstart_unet", "camvid_s3f1_unet"),
        ("camvid_s1f1_blur", "easy_s3f1_blur"),
        ("camvid_once", "easy_once"),
        ("own_onc", "own_once"),
    ):
        with pytest.raises(rsf.InputError, match=f"did you mean '{meant}'"):
            rsf.get_config(name)
    for name in ("own_s2f1_once", "own_blur", "pathfinder14_c_rbp_n20_unet"):
        with pytest.raises(rsf.InputError, match="unknown preset"):
            rsf.get_config(name)


def test_an_entry_says_what_frames_and_statistics_are_allowed():
    _register("once", Once, statistics=("running", "batch"), input_channels=(3, 4))
    config = rsf.get_config("own_once")
    assert (config.norm_statistics, config.input_channels) == ("running", 0)
    assert config.replace(input_channels=4).input_channels == 4
    with pytest.raises(
        rsf.InputError, match=r"input_channels is 1: it must be 3 or 4 for model on"
    ):
        config.replace(input_channels=1)
    with pytest.raises(rsf.InputError, match="it must be running or batch for model once"):
        config.replace(norm_statistics="sample")


def test_an_entry_can_say_what_tells_the_network_by_its_weights():
    signature = Signature(
        "params.into.kernel",
        (3, 3, "input_channels", "channels"),
        sizes={"classes": ("params.out.kernel", 3, 2)},
    )
    _register(signature=signature)
    config = with_model(rsf.get_config("quickstart"), "blur").replace(channels=5, classes=3)
    model = rsf.build_model(config)
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 1, 8, 8, 1)))
    tensors = interop.to_torch(variables, config)
    found, loaded = interop.load_published({"state": {"net." + k: v for k, v in tensors.items()}})
    assert found == model
    jax.tree.map(np.testing.assert_array_equal, loaded, variables)
    tensors["params.into.kernel"] = np.zeros((5, 5, 1, 5))
    with pytest.raises(
        rsf.InputError, match=r"params\.into\.kernel of this blur has shape \[5, 5,"
    ):
        interop.load_published(tensors)


@pytest.mark.parametrize("name", network_names())
def test_every_network_of_the_library_is_made_of_its_entry(name):
    config = with_model(rsf.get_config("quickstart"), name).replace(channels=2, kernel_size=3)
    kind, model = kind_of(name), rsf.build_model(config)
    assert model.recurrent == kind.recurrent
    assert config.norm_statistics in kind.statistics
    frames = jax.ShapeDtypeStruct((1, 1, 16, 16, 1), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), frames)
    parts = {entry.path for entry in interop.format_of(config)}
    assert parts == set(flax.traverse_util.flatten_dict(dict(variables)))
    assert interop.is_published(config) == bool(kind.published)
    says = f"model {name} has no option" + ("" if kind.option_types else "s of its own")
    with pytest.raises(rsf.InputError, match=says):
        config.replace(options="unheard_of=2")


def test_what_networks_are_given_are_settings():
    assert set(GIVEN) <= {field.name for field in dataclasses.fields(rsf.Config)}


class Leaky(rsf.RecurrentCell):
    leak: float = 0.5
    twice: bool = False
    mode: str = "tanh"
    sizes: tuple = ()

    def __call__(self, carry, drive):
        return self.leak * carry + (2 if self.twice else 1) * drive


def test_options_of_a_cell_are_its_own_fields():
    rsf.register_cell("leaky")(Leaky)
    config = rsf.get_config("quickstart_leaky").replace(options="twice=True,mode=a b,leak=1e-1")
    assert config.options == "leak=0.1,twice=true,mode=a b"
    assert rsf.Config(**dataclasses.asdict(config)) == config
    cell = rsf.build_model(config).cell
    assert (cell.leak, cell.twice, cell.mode, cell.channels) == (0.1, True, "a b", 12)
    assert rsf.build_model(config.replace(options="")).cell == Leaky(channels=12, kernel_size=9)
    assert with_model(config, "hgru").options == ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("leek=1", r"no option 'leek'; its options are leak \(float\), .*; did you mean 'leak'\?"),
        ("channels=3", "no option 'channels'"),
        ("sizes=1", "no option 'sizes'"),
        ("name=x", "no option 'name'"),
        ("leak", "write NAME=VALUE with commas between, such as depth=2,gain=0.5"),
        ("leak=1,", "write NAME=VALUE"),
        ("leak=much", "leak is 'much', and a finite number is needed"),
        ("leak=nan", "leak is 'nan', and a finite number is needed"),
        ("leak=", "leak is '', and a finite number is needed"),
        ("twice=2", "twice is '2', and true or false is needed"),
        ("leak=1,leak=2", "leak is there twice"),
    ],
)
def test_wrong_options_are_one_line(options, says):
    rsf.register_cell("leaky")(Leaky)
    with pytest.raises(rsf.InputError, match=f"config.options is '{options}': .*{says}") as error:
        rsf.get_config("quickstart_leaky").replace(options=options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", ["1.5", "two", "99999999999"])
def test_counts_among_options_are_whole(value):
    _register()
    with pytest.raises(rsf.InputError, match=f"depth is '{value}', and a whole number up to 2147"):
        rsf.get_config("quickstart_blur").replace(options=f"depth={value}")


def test_what_a_module_refuses_is_one_line():
    class Picky(Blur):
        def __post_init__(self):
            if self.depth < 1:
                raise ValueError("depth must\nbe positive")
            super().__post_init__()

    _register("picky", Picky)
    config = rsf.get_config("quickstart_picky").replace(options="depth=0")
    with pytest.raises(rsf.InputError) as error:
        rsf.build_model(config)
    assert str(error.value) == "config.options is 'depth=0': Picky refuses it: depth must"


class Unset(rsf.VideoModel):
    depth: int
    classes: int = 2
    input_channels: int = 1


for _method in ("initial_carry", "prepare", "drive", "step", "hidden", "readout"):
    setattr(Unset, _method, lambda self, *_: None)


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("ff6", NetworkKind(Blur), "name 'ff6' is taken by a network of this library"),
        ("dru", NetworkKind(RecurrentUNet), "name 'dru' is taken by a network of this library"),
        ("hgru", NetworkKind(Blur), "name 'hgru' is taken by a cell"),
        ("Blur", NetworkKind(Blur), "'Blur' cannot name a network"),
        (3, NetworkKind(Blur), "3 is no name of a network"),
        ("mine", Blur, r"give rsf\.NetworkKind\(its class\)"),
        ("mine", NetworkKind(HGRUCell), r"give a subclass of rsf\.VideoModel"),
        ("mine", NetworkKind(Blur(3)), r"give a subclass of rsf\.VideoModel"),
        ("mine", NetworkKind(rsf.VideoModel), "has no initial_carry, prepare, drive, step, hidden"),
        ("mine", NetworkKind(type("Still", (Blur,), {"recurrent": False})), "Still has no video"),
        ("mine", NetworkKind(Unset), "field 'depth' of .*Unset has no default"),
        ("mine", NetworkKind(Blur, {"width": 3}), "has no field 'width' to fix"),
        ("mine", NetworkKind(Blur, statistics=("running",)), "give one or more of sample, batch"),
        ("mine", NetworkKind(Blur, statistics=()), "give one or more of sample, batch"),
        ("mine", NetworkKind(Blur, recipe="own"), "choose one of contours, scenes"),
        ("mine", NetworkKind(Blur, statistics="sample"), "statistics 'sample': a tuple is needed"),
        ("mine", NetworkKind(Blur, input_channels=3), "input_channels 3: a tuple is needed"),
        ("mine", NetworkKind(Blur, 3), "fixed 3: a mapping is needed"),
    ],
)  # fmt: skip
def test_kinds_that_no_network_can_be_made_of(name, kind, says):
    before = dict(NETWORKS)
    with pytest.raises(rsf.InputError, match=says) as error:
        rsf.register_network(name, kind)
    assert "\n" not in str(error.value)
    assert before == NETWORKS


def test_a_fixed_field_is_no_option():
    _register("deep", fixed={"depth": 3})
    assert kind_of("deep").option_types == {"gain": float}
    assert rsf.build_model(rsf.get_config("quickstart_deep")).depth == 3
    rsf.register_network("unset", NetworkKind(Unset, {"depth": 2}))


def test_a_class_defined_anew_takes_the_place_of_the_one_before():
    def define():
        class Mine(Blur):
            pass

        _register("mine", Mine)
        return Mine

    first, second = define(), define()
    assert first is not second
    assert NETWORKS["mine"].module is second
    with pytest.raises(rsf.InputError, match=r"network name 'mine' is taken by .*define.*Mine"):
        _register("mine")
    with pytest.raises(rsf.InputError, match="cell name 'mine' is taken by a network"):
        rsf.register_cell("mine")


FILE = """
import {module} as beside
import rsf_jax as rsf


class Mine(beside.Blur):
    pass


rsf.register_network("mine", rsf.NetworkKind(Mine, recipe="scenes"))
"""


def test_a_file_of_cells_may_register_networks(tmp_path):
    (tmp_path / "mine.py").write_text(FILE.format(module=__name__))
    load_cells(tmp_path / "mine.py")
    first = NETWORKS["mine"].module
    load_cells(tmp_path / "mine.py")
    assert NETWORKS["mine"].module is not first
    assert rsf.get_config("own_s3f1_mine").model == "mine"
    model = rsf.build_model(rsf.get_config("camvid_s3f1_mine").replace(options="depth=2"))
    assert (type(model).__name__, model.classes, model.depth) == ("Mine", 11, 2)


@pytest.mark.slow
def test_records_and_checkpoints_from_before_options_have_none(tmp_path, data_dir, monkeypatch):
    assert read_record("tests/reproduction/record_format_2.json").config["options"] == ""
    asdict = dataclasses.asdict
    config = _tiny(data_dir, "quickstart").replace(kernel_size=3)

    def before(value):
        return {k: v for k, v in asdict(value).items() if k != "options"}

    monkeypatch.setattr("rsf_jax.training.checkpoints.dataclasses.asdict", before)
    experiment.run(config, tmp_path)
    monkeypatch.undo()
    with Checkpoints(tmp_path) as checkpoints:
        step = checkpoints.latest_step()
        saved = json.loads((checkpoints.folder / str(step) / "meta" / "metadata").read_text())
        assert "options" not in saved["config"]
        assert checkpoints.config(step) == config
    assert load_trained(tmp_path).config.options == ""
    assert data.settle(config) == config
    assert networks.kind_of("hgru").module is HGRUCell
