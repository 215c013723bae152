import json
import pickle

import golden
import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from configs import tiny_config
from torch_files import Trap, View, Whole, save_legacy, save_torch, write_torch

import rsf_jax as rsf
from rsf_jax import interop
from rsf_jax.config.presets import with_model
from rsf_jax.weights.state_dicts import read_state_dict

RECORDINGS = ("hgru_k7_s2f2_stateless", "clstm_k5_s3f2", "FFConvNet_6L_k3", "FFConvNet_8L_k3")


@pytest.fixture(scope="module", params=RECORDINGS)
def recording(request):
    return golden.load(request.param)


def test_the_round_trip_is_exact(recording):
    back = interop.to_torch(recording.variables, recording.config)
    assert back.keys() == recording.tensors.keys()
    for name, tensor in recording.tensors.items():
        assert back[name].dtype == tensor.dtype, name
        np.testing.assert_array_equal(back[name], tensor, err_msg=name)


def test_a_state_dict_tells_its_model(recording):
    model, variables = rsf.interop.load_published(recording.tensors, conv_method="direct")
    config = interop.detect_config(recording.tensors)
    assert config.model == recording.config.model
    assert config.kernel_size == recording.config.kernel_size
    jax.tree.map(np.testing.assert_array_equal, variables, recording.variables)
    frames = jax.ShapeDtypeStruct((1, 1, 8, 8, 1), np.float32)
    expected = jax.eval_shape(model.init, jax.random.key(0), frames)
    assert jax.tree.map(np.shape, variables) == jax.tree.map(np.shape, dict(expected))


def test_everything_that_does_not_fit_is_listed(recording):
    tensors = dict(recording.tensors)
    tensors["conv0.weight"] = tensors["conv0.weight"][:, :, 1:]
    del tensors[next(name for name in tensors if name.startswith("conv") and "bias" in name)]
    tensors["extra.weight"] = np.zeros(3)
    with pytest.raises(rsf.InputError) as error:
        interop.load_published(tensors)
    message = str(error.value)
    assert "conv0.weight has shape [25, 1, 6, 7] instead of [25, 1, 7, 7]" in message
    assert "bias is missing" in message
    assert "extra.weight is unknown" in message


def test_weights_of_something_else_are_refused():
    with pytest.raises(rsf.InputError, match=r"these 1 tensors \(fc\.weight, \.\.\.\) are of none"):
        interop.load_published({"fc.weight": np.zeros((3, 3))})
    with pytest.raises(rsf.InputError, match="conv3ds was never published"):
        interop.entries(rsf.get_config("hard_conv3ds"))


OWN = {
    "dru": {"classes": 3},
    "conv3ds": {"kernel_size": 3},
}


def _own_config(model):
    config = with_model(rsf.get_config("quickstart"), model).replace(channels=2)
    return config.replace(**OWN[model])


def _own_variables(config):
    """Random numbers in the place of every variable, counts too."""
    shapes, rng = interop.shapes_of(config), np.random.default_rng(0)
    tensors = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return interop.to_flax(tensors, config)


@pytest.mark.parametrize("model", OWN)
def test_models_that_were_never_published_keep_their_own_names(tmp_path, model):
    config = _own_config(model)
    variables = _own_variables(config)
    tensors = interop.to_torch(variables, config)
    assert all(name.startswith(("params.", "batch_stats.")) for name in tensors)
    safetensors.numpy.save_file(tensors, tmp_path / "w.safetensors")
    read = interop.to_flax(interop.tensors_of(tmp_path / "w.safetensors"), config)
    jax.tree.map(np.testing.assert_array_equal, read, variables)
    assert jax.tree.map(np.result_type, read) == jax.tree.map(np.result_type, variables)
    path = save_torch(tmp_path / "w.pt", {"state": _prefixed(tensors, "net.")})
    read = interop.to_flax(interop.tensors_of(path), config)
    jax.tree.map(np.testing.assert_array_equal, read, variables)


def test_a_recurrent_unet_is_told_by_its_weights():
    config = _own_config("dru").replace(input_channels=2)
    variables = _own_variables(config)
    model, loaded = interop.load_published(interop.to_torch(variables, config))
    assert model == rsf.build_model(config)
    jax.tree.map(np.testing.assert_array_equal, loaded, variables)
    with pytest.raises(
        rsf.InputError, match=r"not the variables of a model hgru with .*: params\.\S+ is"
    ):
        interop.to_torch(variables, config.replace(model="hgru", input_channels=1))
    conv3d = _own_config("conv3ds")
    with pytest.raises(rsf.InputError, match=r"own names, which do not tell the model: load them"):
        interop.load_published(interop.to_torch(_own_variables(conv3d), conv3d))


def test_what_tells_a_network_is_in_the_message_of_weights_of_none():
    with pytest.raises(rsf.InputError) as error:
        interop.load_published({"fc.weight": np.zeros((2, 3))})
    for says in ("hgru has unit1.w_gate_inh;", "ff8 has conv1.weight, bn1.weight to bn8.weight"):
        assert says in str(error.value)


def test_published_checkpoints_are_read_without_pytorch(tmp_path, recording):
    tensors = {f"module.{name}": t for name, t in recording.tensors.items()}
    content = {"epoch": 3, "model": tensors, "optimizer": {"state": {}, "lr": 1e-3}}
    path = save_torch(tmp_path / "published.pt", content)
    _, variables = interop.load_published(path)
    jax.tree.map(np.testing.assert_array_equal, variables, recording.variables)


@pytest.fixture(scope="module")
def hgru():
    """A small hGRU, as published state dicts have it."""
    config = tiny_config()
    shapes, rng = interop.shapes_of(config), np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _prefixed(tensors, *prefixes):
    """With a prefix, or with one of several in turn, as a wrapped submodule has."""
    return {
        f"{prefixes[i % len(prefixes)]}{name}": tensor
        for i, (name, tensor) in enumerate(tensors.items())
    }


SAVED = {
    "torch.compile": lambda t: _prefixed(t, "_orig_mod."),
    "compiled, then parallel": lambda t: _prefixed(t, "module._orig_mod."),
    "parallel, then compiled": lambda t: _prefixed(t, "_orig_mod.module."),
    "wrapped three times": lambda t: _prefixed(t, "module._orig_mod.module."),
    "some modules compiled": lambda t: {
        name.replace("unit1.", "unit1._orig_mod."): tensor for name, tensor in t.items()
    },
    "Lightning": lambda t: {
        "state_dict": _prefixed(t, "model.") | {"criterion.weight": np.ones(2, np.float32)},
        "optimizer_states": [{"state": {0: {"exp_avg": t["conv0.weight"]}}}],
    },
    "Lightning, compiled": lambda t: {"state_dict": _prefixed(t, "model._orig_mod.")},
    "DeepSpeed": lambda t: {"module": t, "dp_world_size": 1},
    "an attribute of its own": lambda t: _prefixed(t, "net.backbone."),
    "two levels": lambda t: {"state": {"model": t}, "epoch": 1},
    "five levels": lambda t: {"a": {"b": {"c": {"d": {"e": t}}}}},
    "in a list": lambda t: {"models": [t]},
    "one of two alone": lambda t: [3, t],
    "the optimizer in front": lambda t: {
        "optimizer": {"conv0.weight": {"exp_avg": t["conv0.weight"]}},
        "network": t,
    },
    "random numbers beside it": lambda t: {"rng": np.arange(9), "params": t},
    "module by module": lambda t: {
        module: {n.partition(".")[2]: x for n, x in t.items() if n.startswith(f"{module}.")}
        for module in {name.partition(".")[0] for name in t}
    },
    "with its average": lambda t: {"ema": _prefixed(t, "module."), "model": t},
    "with statistics": lambda t: (
        t
        | {
            "unit1.bn.1.running_mean": np.zeros(3, np.float32),
            "bn.running_var": np.ones(3, np.float32),
            "bn.num_batches_tracked": np.array(3),
        }
    ),
}


@pytest.mark.parametrize("nest", SAVED.values(), ids=SAVED)
@pytest.mark.parametrize("save", [None, save_torch, save_legacy], ids=["dict", "zip", "legacy"])
def test_weights_are_found_wherever_they_were_put(tmp_path, hgru, nest, save):
    content = nest(hgru)
    if save is None and not isinstance(content, dict):
        return
    config = tiny_config()
    source = save(tmp_path / "w.pt", content) if save else content
    tensors = interop.tensors_of(source)
    for name, tensor in hgru.items():
        np.testing.assert_array_equal(tensors[name], tensor)
    found, expected = (interop.to_flax(x, config) for x in (tensors, hgru))
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_two_models_in_a_file_are_not_chosen_from(tmp_path, hgru):
    path = save_torch(tmp_path / "w.pt", {"teacher": hgru, "student": _prefixed(hgru, "module.")})
    with pytest.raises(rsf.InputError, match=r"several times \(teacher, student\): save one"):
        interop.load_published(path)
    with pytest.raises(rsf.InputError, match=r"conv0\.weight is there twice"):
        interop.load_published(hgru | {"module.conv0.weight": hgru["conv0.weight"]})
    with pytest.raises(rsf.InputError, match=r"is there twice, in different wrappers: keep one"):
        interop.load_published({"module": hgru, "_orig_mod": dict(hgru)})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_weights_that_are_no_finite_numbers_are_named(hgru, value):
    alpha = np.asarray(hgru["unit1.alpha"], np.float64)
    alpha[1] = value
    with pytest.raises(rsf.InputError, match=r"unit1\.alpha has 1 values of 3 that are NaN or inf"):
        interop.load_published(hgru | {"unit1.alpha": alpha})


def test_complex_weights_are_refused(tmp_path, hgru):
    content = hgru | {"unit1.alpha": hgru["unit1.alpha"].astype(np.complex64)}
    with pytest.raises(rsf.InputError, match=r"unit1\.alpha holds complex64 instead of numbers"):
        interop.load_published(save_torch(tmp_path / "w.pt", content))


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.int64, np.complex64])
def test_the_order_of_bytes_is_heeded(tmp_path, dtype):
    tensor = np.asarray([[1, 2], [-3, 400]], dtype)
    for order in (None, "little", "big"):
        read = read_state_dict(save_torch(tmp_path / "w.pt", {"w": tensor}, order))["w"]
        assert read.dtype == tensor.dtype
        np.testing.assert_array_equal(read, tensor)
    with pytest.raises(rsf.InputError, match="order of bytes is 'middle': little or big is needed"):
        read_state_dict(save_torch(tmp_path / "w.pt", {"w": tensor}, "middle"))
    with pytest.raises(rsf.InputError, match="in the order of another machine"):
        read_state_dict(save_legacy(tmp_path / "w.pt", {"w": tensor}, little_endian=False))


def test_whole_objects_are_called_by_their_name(tmp_path):
    with pytest.raises(rsf.InputError, match="holds a single tensor instead of a state dict"):
        read_state_dict(save_torch(tmp_path / "w.pt", np.ones(3, np.float32)))
    for content in (Whole(), {"model": Whole()}, [Whole()]):
        for save in (save_torch, save_legacy):
            with pytest.raises(rsf.InputError) as error:
                read_state_dict(save(tmp_path / "w.pt", content))
            assert "_Inert" not in str(error.value)
    with pytest.raises(rsf.InputError, match=r"a whole object, project\.nets\.HGRU, instead of"):
        read_state_dict(save_torch(tmp_path / "w.pt", Whole()))
    with pytest.raises(rsf.InputError, match="model is a whole object: save its state_dict"):
        read_state_dict(save_torch(tmp_path / "w.pt", {"model": Whole(), "epoch": 3}))


def test_tensors_of_other_types_are_called_by_their_name(tmp_path):
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nQInt8Storage\nX\x01\x00\x00\x000"
        b"X\x03\x00\x00\x00cpuK\x01tQ"
    )
    write_torch(tmp_path / "w.pt", b"\x80\x02}X\x01\x00\x00\x00w" + storage + b"s.", {})
    with pytest.raises(rsf.InputError, match=r"tensors of torch\.QInt8Storage cannot be read"):
        read_state_dict(tmp_path / "w.pt")


def test_names_of_files_do_not_decide(tmp_path, hgru):
    """Capitals, and files under the name of another kind."""
    safetensors.numpy.save_file(hgru, tmp_path / "w.SAFETENSORS")
    safetensors.numpy.save_file(hgru, tmp_path / "w.bin")
    np.savez(tmp_path / "w.npz", **hgru)
    np.savez_compressed(tmp_path / "W.NPZ", **hgru)
    for path in tmp_path.iterdir():
        read = read_state_dict(path)
        for name, tensor in hgru.items():
            np.testing.assert_array_equal(read[name], tensor, err_msg=path.name)


def test_arrays_of_npz_files_are_as_they_were(tmp_path):
    arrays = {
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">f4"),
        "empty": np.zeros((0, 2)),
        "count": np.array(3),
    }
    np.savez(tmp_path / "w.npz", **arrays)
    read = read_state_dict(tmp_path / "w.npz")
    assert {n: x.dtype for n, x in read.items()} == {n: x.dtype for n, x in arrays.items()}
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_shards_are_joined(tmp_path, hgru, suffix):
    names = sorted(hgru)
    for i, part in enumerate((names[::2], names[1::2])):
        path, tensors = tmp_path / f"m-{i}.{suffix}", {n: hgru[n] for n in part}
        if suffix == "bin":
            save_torch(path, tensors)
        else:
            safetensors.numpy.save_file(tensors, path)
    places = {n: f"m-{i % 2}.{suffix}" for i, n in enumerate(names)}
    index = tmp_path / f"m.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    model, _ = interop.load_published(index)
    assert model.cell.channels == 3
    index.write_text(json.dumps({"weight_map": places | {"gone": f"m-1.{suffix}"}}))
    with pytest.raises(rsf.InputError, match=rf"m-1\.{suffix} lacks 1 tensors, such as gone"):
        interop.load_published(index)
    (tmp_path / f"m-1.{suffix}").unlink()
    with pytest.raises(rsf.InputError, match=rf"index of shards: .*m-1\.{suffix} is no file"):
        interop.load_published(index)


def test_safetensors_are_read(tmp_path):
    recording = golden.load("FFConvNet_6L_k3")
    safetensors.numpy.save_file(recording.tensors, tmp_path / "w.safetensors")
    _, variables = interop.load_published(tmp_path / "w.safetensors", model="ffres6")
    jax.tree.map(np.testing.assert_array_equal, variables, recording.variables)


def test_nothing_in_a_file_is_run(tmp_path):
    trap, tensor = tmp_path / "trapped", np.arange(3, dtype=np.float32)
    path = save_torch(tmp_path / "w.pt", {"w": tensor, "args": Trap(trap)})
    read = read_state_dict(path)
    assert list(read) == ["w"]
    np.testing.assert_array_equal(read["w"], tensor)
    assert not trap.exists()


def test_reduced_precision_is_read(tmp_path):
    tensor = np.asarray([1.5, -2, 3], ml_dtypes.bfloat16)
    read = read_state_dict(save_torch(tmp_path / "w.pt", {"w": tensor}))["w"]
    np.testing.assert_array_equal(read.astype(np.float32), [1.5, -2, 3])


@pytest.mark.parametrize(
    ("offset", "shape", "stride", "message"),
    [
        (0, (9,), (1,), "larger than its storage"),
        (7, (3,), (1,), "reaches beyond"),
        (-1, (3,), (1,), "reaches beyond"),
        (0, (2,), (1000,), "reaches beyond"),
        (0, (-1,), (1,), r"has shape \[-1\] and strides \[1\]"),
        (0, (2,), (-1,), r"has shape \[2\] and strides \[-1\]"),
        (0, (2, 2), (1,), r"has shape \[2, 2\] and strides \[1\]"),
    ],
)
def test_tensors_cannot_reach_beyond_their_storage(tmp_path, offset, shape, stride, message):
    tensor = View(np.arange(8, dtype=np.float32), offset, shape, stride)
    with pytest.raises(rsf.InputError, match=message):
        read_state_dict(save_torch(tmp_path / "w.pt", {"w": tensor}))


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(rsf.InputError, match=r"missing\.pt is no file"):
        read_state_dict(tmp_path / "missing.pt")
    (tmp_path / "text.pt").write_text("not a zip")
    with pytest.raises(rsf.InputError, match="is not a zip archive"):
        read_state_dict(tmp_path / "text.pt")
    (tmp_path / "text.safetensors").write_text("not one either")
    with pytest.raises(rsf.InputError, match="cannot be read as safetensors"):
        read_state_dict(tmp_path / "text.safetensors")
    path = save_torch(tmp_path / "numbers.pt", {"epoch": 3, "lr": 0.1})
    with pytest.raises(rsf.InputError, match="holds no tensors, but epoch, lr"):
        read_state_dict(path)
    write_torch(tmp_path / "cut.pt", pickle.dumps([1, 2, 3])[:-3], {})
    with pytest.raises(rsf.InputError, match=r"cut\.pt cannot be read as a PyTorch file"):
        read_state_dict(tmp_path / "cut.pt")
