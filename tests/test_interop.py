import pickle

import golden
import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from torch_files import Trap, save_torch, write_torch

import rsf_jax as rsf
from rsf_jax import interop, state_dicts
from rsf_jax.state_dicts import read_state_dict

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


def test_published_checkpoints_are_read_without_pytorch(tmp_path, recording):
    tensors = {f"module.{name}": t for name, t in recording.tensors.items()}
    content = {"epoch": 3, "model": tensors, "optimizer": {"state": {}, "lr": 1e-3}}
    path = save_torch(tmp_path / "published.pt", content)
    _, variables = interop.load_published(path)
    jax.tree.map(np.testing.assert_array_equal, variables, recording.variables)


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
    ],
)
def test_tensors_cannot_reach_beyond_their_storage(offset, shape, stride, message):
    storage = state_dicts._Tensor(np.arange(8, dtype=np.float32))
    with pytest.raises(rsf.InputError, match=message):
        state_dicts._tensor(storage, offset, shape, stride)


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
