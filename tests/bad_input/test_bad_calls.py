"""The library called with what it cannot use."""

import decimal
import functools
import inspect
import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bad_cases import Called, check_message
from configs import tiny_config

import rsf_jax as rsf
from rsf_jax import calibration, experiment
from rsf_jax.analysis import measure_changes, reaction_times
from rsf_jax.calibration.risk import p_value
from rsf_jax.cells import ConvLSTMCell, HGRUCell
from rsf_jax.checks import as_prepared, check_frames
from rsf_jax.data import dataset as data
from rsf_jax.gradients import BPTT, LipschitzPenalty, neumann_series
from rsf_jax.interop import load_published, tensors_of, to_flax, to_torch
from rsf_jax.measures import losses, segmentation
from rsf_jax.media.sources import open_source
from rsf_jax.models import base as models
from rsf_jax.models.recurrent_unet import RecurrentUNet
from rsf_jax.ops import conv, norm
from rsf_jax.paths import expand
from rsf_jax.streaming import checks as streaming_checks
from rsf_jax.trained.model import settings_in_use

_CONFIG = tiny_config(channels=2)
MODEL = rsf.build_model(_CONFIG)
ONE_STEP = rsf.FixedSchedule(1, 1)
FRAMES = np.zeros((1, 2, 8, 8, 1), np.float32)
QUICK = rsf.get_config("quickstart")


def _unwrapped(function, *args, **options):
    """Calls as users do: the tests' type checker would speak first."""
    return inspect.unwrap(function)(*args, **options)


@functools.cache
def _variables():
    return jax.jit(MODEL.init)(jax.random.key(0), jnp.asarray(FRAMES))


def _run(frames=FRAMES, policy=ONE_STEP, variables=None, **options):
    variables = _variables() if variables is None else variables
    return _unwrapped(rsf.run_video, MODEL, variables, frames, policy, **options)


def _run_with_fft(prepared):
    model = MODEL.clone(cell=MODEL.cell.clone(conv_method="fft"))
    return _unwrapped(rsf.run_video, model, prepared, FRAMES, ONE_STEP)


def _model(cell):
    model = object.__new__(rsf.RecurrentModel)
    _unwrapped(rsf.RecurrentModel.__init__, model, cell)
    return model


def _target(quantity, limit):
    target = object.__new__(calibration.Target)
    _unwrapped(calibration.Target.__init__, target, quantity, limit)
    return target


def _alarm(*arguments):
    _unwrapped(calibration.Alarm.__init__, object.__new__(calibration.Alarm), *arguments)


class _Plain:
    """Has all that a policy has, but is not registered with JAX."""

    max_steps, singles_out_first_frame = 1, False

    def init_memory(self, frame):
        return ()

    def unroll(self, recurrence, first, memory, recording=None):
        return ONE_STEP.unroll(recurrence, first, memory, recording)


def _distance(a, b, axis):
    return jnp.abs(a - b).sum(axis)


def _frame(state, frame=FRAMES[:, 0], half=False):
    if half:
        state = state.replace(carry=state.carry.astype(jnp.bfloat16))
    return _unwrapped(rsf.run_frame, MODEL, _variables(), state, frame, ONE_STEP)


def _halting(**settings):
    return rsf.DistanceHalting(**settings)


def _without(*path):
    variables = jax.tree.map(lambda x: x, dict(_variables()))
    inner = functools.reduce(lambda tree, key: tree[key], path[:-1], variables)
    del inner[path[-1]]
    return variables


CASES = [
    # Frames
    Called("a list of frames", lambda: _run([[1.0]]), "frames are list: an array [B, T, H, W, 1]"),
    Called("no frames", lambda: _run(None), "frames are NoneType"),
    Called(
        "frames of integers", lambda: _run(FRAMES.astype(np.int64)), "frames are int64: float32"
    ),
    Called("floats of 0 to 255", lambda: _run(FRAMES + np.float32(9)), "divide by 255"),
    Called("signed bytes", lambda: _run(FRAMES.astype(np.int8)), "are int8: float32 in 0..1 or"),
    Called("frames of bools", lambda: _run(FRAMES > 0), "frames are bool: float32 in 0..1 or"),
    Called("frames of text", lambda: _run(FRAMES.astype(str)), "frames are <U32: float32"),
    Called("infinity", lambda: _run(FRAMES + np.float32(np.inf)), "frames lie between inf and inf"),
    Called("a frame for a video", lambda: _run(FRAMES[0]), "[B, T, H, W, 1] is needed"),
    Called("a video for a frame", lambda: _frame(None, FRAMES), "[B, H, W, 1] is needed"),
    Called("color", lambda: _run(np.zeros((1, 2, 8, 8, 3), np.float32)), "one gray channel"),
    Called("no pixels", lambda: _run(FRAMES[:, :, :0]), "must be non-empty"),
    Called(
        "gray for a color model",
        lambda: _unwrapped(check_frames, FRAMES, 5, "B, T, H, W", 3),
        "[B, T, H, W, 3] is needed, 3 channels",
    ),
    # States and variables
    Called("no state", lambda: _frame(None), "the state does not belong to this model and frame"),
    Called("no variables", lambda: _run(variables={}), "these are not the variables of this model"),
    Called("a number for variables", lambda: _run(variables=3), "variables are int: what model.in"),
    Called(
        "parameters alone",
        lambda: _run(variables=_variables()["params"]),
        "these are not the variables of this model",
    ),
    Called(
        "variables without a readout",
        lambda: _run(variables=_without("params", "output")),
        "these are not the variables of this model",
    ),
    Called(
        "variables of another width",
        lambda: _run(variables=jax.tree.map(lambda x: jnp.concatenate([x, x]), dict(_variables()))),
        "these are not the variables of this model",
    ),
    Called("a text to record", lambda: _run(record_states="yes"), "record_states is 'yes': give"),
    Called(
        "frames beyond the end",
        lambda: _run(record_states=rsf.Recording(frames=(5,))),
        "frames to record reach 5: there are 0 to 1 here",
    ),
    Called("a number of frames", lambda: rsf.Recording(frames=3), "write frames=(3,)"),
    Called("a type of NumPy", lambda: rsf.Recording(dtype=np.float64), "choose one of float32"),
    Called(
        "a size of nothing",
        lambda: _unwrapped(rsf.prepare, MODEL, _variables(), (0, 8)),
        "frame_shape is (0, 8): (height, width) of 1 pixel or more is needed",
    ),
    Called("a side for a size", lambda: _unwrapped(models.checked_frame_shape, 8), "is 8: (height"),
    # Models
    Called(
        "a class for a cell",
        lambda: _model(HGRUCell),
        "cell is the class HGRUCell: give a cell, such as HGRUCell(channels=25)",
    ),
    Called("a name for a cell", lambda: _model("hgru"), "cell is 'hgru': a Recur"),
    Called("no classes", lambda: rsf.RecurrentModel(HGRUCell(), 0), "classes is 0: a whole num"),
    Called("no channels", lambda: HGRUCell(channels=0), "channels is 0: a whole number of at"),
    Called("an even kernel", lambda: HGRUCell(kernel_size=4), "kernel_size is 4: same padding"),
    Called(
        "a misspelt statistic",
        lambda: HGRUCell(norm_statistics="Sample"),
        "norm_statistics is 'Sample': choose one of sample, batch",
    ),
    Called(
        "running statistics of a cell",
        lambda: ConvLSTMCell(norm_statistics="running"),
        "norm_statistics is 'running': choose one of sample, batch",
    ),
    Called("a misspelt method", lambda: HGRUCell(conv_method="FFT"), "choose one of auto, fft, di"),
    Called(
        "statistics of nothing",
        lambda: _unwrapped(norm.normalize, FRAMES[0], FRAMES[0, 0, 0, 0], FRAMES[0, 0, 0, 0], ""),
        "norm_statistics is '': choose one of sample, batch",
    ),
    Called(
        "a sample's statistics of a network without recurrence",
        lambda: rsf.FeedforwardModel(norm_statistics="sample"),
        "norm_statistics is 'sample': choose one of running, batch",
    ),
    Called(
        "a skip of another name",
        lambda: rsf.FeedforwardModel(skip="residual"),
        "skip is 'residual': choose one of none, own, published",
    ),
    Called("no frames to see", lambda: rsf.FeedforwardModel(span=0), "span is 0: a whole number"),
    Called("no layers", lambda: rsf.FeedforwardModel(layers_count=0), "layers_count is 0: a whole"),
    Called("a network of no width", lambda: RecurrentUNet(channels=0), "channels is 0: a whole"),
    Called(
        "a frame to begin with",
        lambda: _unwrapped(rsf.VideoModel.__call__, MODEL, FRAMES[0]),
        "frames have shape [2, 8, 8, 1]: [B, T, H, W, 1] is needed",
    ),
    Called(
        "colors to begin with",
        lambda: MODEL.init(jax.random.key(0), np.zeros((1, 2, 8, 8, 3), np.float32)),
        "frames have shape [1, 2, 8, 8, 3]: [B, T, H, W, 1] is needed",
    ),
    Called(
        "a class for a model",
        lambda: _unwrapped(rsf.run_video, rsf.RecurrentModel, {}, FRAMES, ONE_STEP),
        "model is the class RecurrentModel: give a model",
    ),
    Called(
        "a name for a model",
        lambda: _unwrapped(rsf.run_video, "hgru", {}, FRAMES, ONE_STEP),
        "model is 'hgru': give one, such as rsf.build_model",
    ),
    Called(
        "a trained model for a model",
        lambda: _unwrapped(rsf.prepare, rsf.load_pretrained("quickstart_live16"), {}, (8, 8)),
        "model is <Trained quickstart_live16; ",
    ),
    Called(
        "a model for variables",
        lambda: _unwrapped(rsf.count_parameters, MODEL),
        "what model.init gives",
    ),
    Called(
        "a preset for a configuration",
        lambda: _unwrapped(rsf.build_model, "quickstart"),
        "config is 'quickstart': give one, such as rsf.get_config('quickstart')",
    ),
    Called(
        "a dataset for a configuration",
        lambda: _unwrapped(rsf.open_dataset, "t_pathfinder/quickstart"),
        "config is 't_pathfinder/quickstart': give one",
    ),
    Called(
        "a model's name for that of weights",
        lambda: _unwrapped(to_flax, {}, "hgru"),
        "config is 'hgru': give one",
    ),
    Called(
        "a preset to run",
        lambda: _unwrapped(experiment.run, "quickstart", "x"),
        "config is 'quickstart'",
    ),
    *(
        Called(
            f"{given!r} to run on",
            functools.partial(_unwrapped, experiment.run, QUICK, "x", given),
            says,
        )
        for given, says in (
            ((FRAMES, FRAMES), "dataset is ("),
            ("own_video/default", "dataset is 'own_video/default': an open one is needed"),
        )
    ),
    Called(
        "a list of changes",
        lambda: _unwrapped(settings_in_use, QUICK, ["stateful"], "x"),
        "changes are ['stateful']: a dict of settings is needed",
    ),
    Called("a word for a flag", lambda: _run(stateful="no"), "stateful is 'no': True or False"),
    # Losses and estimators
    Called(
        "too few class weights",
        lambda: losses.Objective(class_weights=(1.0, 5.0))(
            jnp.zeros((1, 2, 2, 3)), jnp.zeros((1, 2, 2), int)
        ),
        "2 class weights for 3 classes: give each one",
    ),
    Called(
        "a negative class weight",
        lambda: losses.Objective(class_weights=(1.0, -1.0)),
        "class_weights are (1.0, -1.0): a number of at least 0 for each class",
    ),
    Called("a negative gamma", lambda: losses.Objective(gamma=-1.0), "gamma is -1.0: a finite num"),
    Called(
        "a guard of another name",
        lambda: _unwrapped(neumann_series, lambda v: v, FRAMES, 2, "video"),
        "guard is 'video': choose one of sample, batch",
    ),
    Called("a negative bound", lambda: LipschitzPenalty(bound=-1.0), "penalty bound is -1.0: at"),
    Called("a class for an estimator", lambda: rsf.FixedSchedule(1, 1, BPTT), "an estimator is ne"),
    # Policies
    Called("the name of a policy", lambda: _run(policy="s1f1"), "give rsf.parse_policy('s1f1')"),
    Called("no policy", lambda: _run(policy=None), "policy is None: a step policy is needed"),
    Called(
        "steps of a fraction", lambda: rsf.FixedSchedule(1.0, 1), "a whole number of at least 1"
    ),
    Called("too many steps", lambda: rsf.FixedSchedule(2**40, 1), "2147483647 is the most"),
    Called("too high a cap", lambda: _halting(max_steps=2**40), "2147483647 is the most"),
    Called("a list of metrics", lambda: _halting(metric=["l2"]), "choose one of l1, l2, pattern"),
    Called("a list of thresholds", lambda: _halting(threshold=[1.0]), "or an array [B] of them"),
    Called("no thresholds", lambda: _halting(threshold=np.zeros(0)), "or an array [B] of them"),
    Called("texts as thresholds", lambda: _halting(threshold=np.array(["1"])), "array [B] of them"),
    Called("a complex threshold", lambda: _halting(threshold=1j), "threshold is 1j: a number is"),
    Called(
        "thresholds of another batch",
        lambda: _run(policy=_halting(threshold=np.ones(3, np.float32))),
        "threshold has shape [3]: a number is needed, or one for each sample, [1]",
    ),
    Called("a policy that is no text", lambda: rsf.parse_policy(8), "policy 8 is no text: write s"),
    Called("a name with a new line", lambda: rsf.parse_policy("s1f1\n"), r"policy 's1f1\n' is unk"),
    Called(
        "an option given twice", lambda: rsf.parse_policy("l2:1:9:rtol=1:rtol=2"), "given twice"
    ),
    Called("digits of another script", lambda: rsf.parse_policy("s\u0661f1"), "is unknown: write"),
    Called("numbers as in Python", lambda: rsf.parse_policy("l2:1:1_2"), "is unknown: write"),
    Called("a threshold too large", lambda: rsf.parse_policy("l2:1e999:9"), "threshold is inf"),
    Called(
        "a class for a policy", lambda: _run(policy=rsf.DistanceHalting), "a step policy is needed"
    ),
    Called("a policy that is no pytree", lambda: _run(policy=_Plain()), "_Plain is no pytree"),
    Called("no threshold", lambda: _run(policy=_halting(threshold=None)), "threshold is None: a"),
    Called(
        "a metric of the whole batch",
        lambda: _run(policy=_halting(metric=functools.partial(_distance, axis=None))),
        "metric _distance returns float32[]: one distance for each sample is needed, real numbers",
    ),
    Called(
        "a metric of channels",
        lambda: _run(policy=_halting(metric=functools.partial(_distance, axis=(2, 3)))),
        "metric _distance returns float32[1, 2]: one distance for each sample",
    ),
    Called(
        "a metric without a result",
        lambda: _run(policy=_halting(metric=lambda a, b: None)),
        "metric <lambda> returns NoneType: one distance for each sample is needed",
    ),
    Called(
        "a metric of two results",
        lambda: _run(policy=_halting(metric=lambda a, b: (a, b))),
        "metric <lambda> returns tuple: one distance for each sample is needed",
    ),
    Called(
        "a metric of complex numbers",
        lambda: _run(policy=_halting(metric=lambda a, b: jnp.zeros(1, complex))),
        "metric <lambda> returns complex64[1]: one distance for each sample is needed",
    ),
    Called(
        "spectra of a model that convolves directly",
        lambda: _run_with_fft(rsf.prepare(MODEL, _variables(), (8, 8))),
        "variables were prepared by another model: call rsf_jax.prepare",
    ),
    Called(
        "weights of another number of channels",
        lambda: _unwrapped(to_torch, _variables(), _CONFIG.replace(channels=8)),
        "with 8 channels and",
    ),
    Called(
        "weights of another cell",
        lambda: to_torch(_variables(), _CONFIG.replace(model="clstm")),
        "params.cell.hidden_kernel is missing",
    ),
    Called(
        "no weights",
        lambda: _unwrapped(to_torch, None, _CONFIG),
        "variables are NoneType: what model.init gives is needed",
    ),
    Called(
        "a projection to several",
        lambda: _run(record_states=rsf.Recording(projection=lambda h: (h, h))),
        "the projection returns tuple: an array with the batch, 1, in front is needed",
    ),
    Called(
        "a projection without a batch",
        lambda: _run(record_states=rsf.Recording(projection=lambda h: h.sum((0, 1)))),
        "the projection returns (8, 2): an array with the batch, 1, in front",
    ),
    Called(
        "states of half precision",
        lambda: _frame(MODEL.initial_state(1, (8, 8)), half=True),
        "the state has an array of bfloat16 where this model's are float32",
    ),
    Called(
        "replaced variables",
        lambda: rsf.prepare(MODEL, _variables(), (8, 8)).replace(variables=_variables()),
        "prepared variables cannot be replaced, or their spectra would be old",
    ),
    Called(
        "changes by the name of a policy",
        lambda: _unwrapped(measure_changes, MODEL, _variables(), FRAMES, "s2f1"),
        "give rsf.parse_policy('s2f1')",
    ),
    Called(
        "changes of another size",
        lambda: _unwrapped(
            measure_changes, MODEL, rsf.prepare(MODEL, _variables(), (9, 9)), FRAMES, ONE_STEP
        ),
        "variables were prepared for frames of 9x9 pixels, these have 8x8",
    ),
    Called(
        "changes with a word for a truth value",
        lambda: _unwrapped(measure_changes, MODEL, _variables(), FRAMES, ONE_STEP, stateful="no"),
        "stateful is 'no': True or False is needed",
    ),
    Called(
        "changes of no variables",
        lambda: _unwrapped(measure_changes, MODEL, "weights", FRAMES, ONE_STEP),
        "variables are str: what model.init gives is needed",
    ),
    Called(
        "reaction times of no variables",
        lambda: _unwrapped(reaction_times, MODEL, "weights", FRAMES, 3),
        "variables are str: what model.init gives is needed",
    ),
    Called(
        "reaction times of other pixels",
        lambda: _unwrapped(reaction_times, MODEL, _variables(), FRAMES, 3, where=[[True]]),
        "where is bool[1, 1]: bool[1, 2, 8, 8]",
    ),
    Called(
        "a state of a frame with one side",
        lambda: _unwrapped(type(MODEL).initial_state, MODEL, 2, 20),
        "frame_shape is 20: (height, width)",
    ),
    Called(
        "a state of less than no videos",
        lambda: _unwrapped(type(MODEL).initial_state, MODEL, -2, (4, 4)),
        "batch_size is -2: a whole number of at least 0",
    ),
    Called(
        "a threshold of several numbers",
        lambda: rsf.DistanceHalting("l2", (0.5, 0.6), max_steps=3),
        "threshold is (0.5, 0.6): a number is needed",
    ),
    Called(
        "a threshold that is true",
        lambda: rsf.DistanceHalting("l2", np.True_, max_steps=3),
        "threshold is np.True_: a number is needed",
    ),
    Called(
        "a threshold for bookkeepers",
        lambda: rsf.DistanceHalting("l2", decimal.Decimal("0.5"), max_steps=3),
        "threshold is Decimal('0.5'): a number is needed",
    ),
    Called(
        "an alarm told a word",
        lambda: _unwrapped(calibration.Alarm.update, calibration.Alarm(0.1, 0.05), "x"),
        "the loss is 'x': a number from 0 to 1 is needed",
    ),
    Called(
        "nothing to watch",
        lambda: _unwrapped(calibration.watch, None),
        "results are None: what calibrate or load_calibration returned",
    ),
    Called("no losses", lambda: p_value(np.zeros(0), 0.1), "there are no losses"),
    # Configurations
    Called("a field of another name", lambda: rsf.Config(foo=1), "has no field 'foo'"),
    Called(
        "the U-Net for other data",
        lambda: rsf.get_config("quickstart_dru"),
        "unknown preset 'quickstart_dru': did you mean 'camvid_s3f1_dru'?",
    ),
    Called(
        "the U-Net for hard",
        lambda: rsf.get_config("hard_s8f8_dru"),
        "unknown preset 'hard_s8f8_dru': did you mean 'camvid_s3f1_dru'?",
    ),
    Called(
        "a misspelt field", lambda: QUICK.replace(chanels=3), "'chanels'; did you mean 'channels'"
    ),
    Called(
        "a count that is too large", lambda: QUICK.replace(channels=2**31), "at most 2147483647"
    ),
    Called("no value", lambda: QUICK.replace(channels=None), "config.channels is None: int is"),
    Called("a list for a choice", lambda: QUICK.replace(remat=["none"]), "str is needed"),
    Called(
        "a configuration for its name",
        lambda: _unwrapped(rsf.get_config, QUICK),
        "is no name of a preset",
    ),
    Called("no path", lambda: _unwrapped(expand, None), "None is no path: a text or a pathlib"),
    Called(
        "a new line in a name", lambda: rsf.get_config("hard_s8f8\n"), "did you mean 'hard_s8f8'"
    ),
    # Streams
    Called(
        "a stream of no pixels",
        lambda: _unwrapped(as_prepared, MODEL, _variables(), (0, 8)),
        "frame_shape is (0, 8)",
    ),
    Called(
        "a stream with the name of a policy",
        lambda: _unwrapped(streaming_checks.checked_policy, "s1f1"),
        "give rsf.parse_policy('s1f1')",
    ),
    Called(
        "an endless budget", lambda: streaming_checks.checked_budget(float("nan")), "budget is nan"
    ),
    Called(
        "a timeout in words",
        lambda: _unwrapped(open_source, "a.mp4", None, timeout="5"),
        "timeout is '5': it has to be a number of seconds above 0",
    ),
    Called("a home that is none", lambda: open_source("~no_such_user/a.mp4", None), "instead of ~"),
    # Weights
    Called("no weights", lambda: load_published({}), "these 0 tensors"),
    Called("weights by number", lambda: _unwrapped(tensors_of, {1: FRAMES}), "texts are needed"),
    Called(
        "kernels that are not square",
        lambda: load_published({"unit1.w_gate_inh": np.zeros((4000, 1, 3, 3), np.float32)}),
        "unit1.w_gate_inh of this hgru has shape [4000, 1, 3, 3]: [channels, channels, kernel_size",
    ),
    Called(
        "kernels of an even size",
        lambda: load_published({"unit1.w_gate_inh": np.zeros((2, 2, 4, 4), np.float32)}),
        "config.kernel_size is 4: it must be odd",
    ),
    Called(
        "weights that are no numbers",
        lambda: to_flax(_published() | {"bn.bias": np.array(["a", "b"])}, _config()),
        "bn.bias holds <U1 instead of numbers",
    ),
    # Others
    Called(
        "a convolution of another name",
        lambda: conv.convolve(FRAMES[0, :, None, ..., 0], np.zeros((3, 3, 1, 1)), method="x"),
        "method is 'x': choose one of",
    ),
    Called("a matrix of images", lambda: segmentation.scores(np.zeros((2, 3, 3))), "sum those of"),
    Called(
        "300 classes", lambda: segmentation.confusion_matrix(_mask(), _mask(), 300), "1 to 255 are"
    ),
    Called(
        "nothing to balance", lambda: segmentation.balanced_weights(np.zeros(2), 1.0), "no pixel"
    ),
    Called("a limit in words", lambda: _target("steps", "3"), "mean_steps is '3': it must be"),
    Called("losses in halves", lambda: _alarm(0.1, 0.01, 2.5), "together is 2.5: a whole number"),
    Called("a level in words", lambda: _alarm(0.1, "low"), "level is 'low': it must be between"),
    Called("a sure limit", lambda: _target("miou_drop", True), "max_miou_drop is True: it must be"),
    Called("a target of another kind", lambda: calibration.Target("miou", 0.1), "choose miou_drop"),
]


@functools.cache
def _config():
    return QUICK.replace(channels=2, kernel_size=3, name="published")


def _published():
    return to_torch(jax.device_get(_variables()), _config())


def _mask():
    return jnp.zeros((4, 4), jnp.int32)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_bad_call_raises_one_line(case):
    with pytest.raises(rsf.InputError) as error:
        case.call()
    check_message(str(error.value), case.says)


TARGET = {"quantity": "steps", "limit": 3.0, "confidence": 0.95}
POLICY = {
    "policy": "s1f1",
    "reference": "s3f1",
    "target": TARGET,
    "update": 0,
    "dataset": "t_pathfinder/tiny",
}
POLICIES = {
    "nothing": b"",
    "no JSON": b"policy",
    "not of text": b"\xff\xfe\x00",
    "a list": b"[1]",
    "an empty object": b"{}",
    "a number for a policy": json.dumps(POLICY | {"policy": 3}).encode(),
    "an unknown policy": json.dumps(POLICY | {"policy": "s9"}).encode(),
    "an unknown target": json.dumps(POLICY | {"target": TARGET | {"quantity": "luck"}}).encode(),
    "another field": json.dumps(POLICY | {"target": TARGET | {"price": 3}}).encode(),
}


@pytest.mark.parametrize("content", POLICIES.values(), ids=POLICIES)
def test_a_damaged_policy_is_named(tmp_path, content):
    (tmp_path / "policy.json").write_bytes(content)
    trained = types.SimpleNamespace(step=0, config=QUICK.replace(dataset="t_pathfinder/tiny"))
    with pytest.raises(rsf.InputError) as error:
        _unwrapped(calibration.load_calibration, tmp_path, trained)
    check_message(str(error.value), "policy.json is damaged")


def test_a_class_too_many_is_not_called_damage_alone():
    example = {"frames": FRAMES[0], "masks": np.full((2, 8, 8), 3, np.uint8)}
    videos = types.SimpleNamespace(
        _source=[example], _config=QUICK, _folder="folder", _split="test"
    )
    with pytest.raises(rsf.InputError) as error:
        _unwrapped(data.Videos.__getitem__, videos, 0)
    check_message(str(error.value), "has class 3 in test video 0, config.classes is 2: raise it")
