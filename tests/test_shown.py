"""Objects in a line: what a notebook shows of them is short, and says what matters."""

import dataclasses
import inspect
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config, untrained

import rsf_jax as rsf
from rsf_jax import pretrained
from rsf_jax.analysis.changes import Changes, Correlation, StepsByChange
from rsf_jax.analysis.movement import DistanceRatios, FollowedFrame, LongRun
from rsf_jax.analysis.trajectory import Trajectory
from rsf_jax.calibration import Target
from rsf_jax.calibration.alarm import Alarm
from rsf_jax.calibration.resplits import Resplits
from rsf_jax.calibration.scored import Scored
from rsf_jax.calibration.units import Units
from rsf_jax.calibration.watching import Watch
from rsf_jax.config.networks import kind_of, network_names
from rsf_jax.data.batch import Batch
from rsf_jax.evaluation.live import EventScore, LiveScore
from rsf_jax.evaluation.still import StillCamera
from rsf_jax.evaluation.sweep import Point
from rsf_jax.evaluation.told import Told
from rsf_jax.measures.foreground import ForegroundScores
from rsf_jax.measures.segmentation import SegmentationScores
from rsf_jax.reuse.network import ReuseNetwork
from rsf_jax.scoring.frames import FrameScores
from rsf_jax.shown import short
from rsf_jax.streaming.shadow import Shadow
from rsf_jax.trained.cards import read_card

_MOST = 300  # characters
_LONG = np.linspace(0, 1, 2000, dtype=np.float32)
_BIG = np.zeros((2, 500, 3), np.float32)


class Things:
    """One object of every public class, each made when it is asked for."""

    def __init__(self):
        self._trained = untrained((12, 12))
        self._frames = np.zeros((1, 2, 12, 12, 1), np.float32)

    def Trained(self):
        return self._trained, "quickstart: hgru, 3 channels, 2 classes, gray frames, "

    def Config(self):
        return self._trained.config, "Config('quickstart', channels=3, kernel_size=3)"

    def VideoOutput(self):
        out = self._trained.run(self._frames, record_states=rsf.Recording(steps=(1,)))
        found = "logits=float32[1, 2, 12, 12, 2], steps=int32[1, 2], states=float32[1, 2, 1, 12,"
        return out, found

    def FrameOutput(self):
        return self._frame()[1], "FrameOutput(logits=float32[1, 12, 12, 2], steps=int32[1], states="

    def State(self):
        return self._frame()[0], "State(carry=float32[1, 3, 12, 12], frame_index=int32[1], memory="

    def _frame(self):
        trained = self._trained
        state = trained.model.initial_state(1, (12, 12))
        policy = rsf.FixedSchedule(1, 1)
        return rsf.run_frame(trained.model, trained.variables, state, self._frames[:, 0], policy)

    def Prepared(self):
        return self._trained.prepare((12, 13)), "RecurrentModel, {19 arrays, "

    def Recording(self):
        return rsf.Recording(projection=lambda h: h), "projection="

    def StreamEngine(self):
        engine = self._trained.engine(rsf.FixedSchedule(1, 1), (12, 12), slots=3)
        engine.submit(engine.open("camera"), self._frames[0, 0])
        return engine, "RecurrentModel under s1f1, 3 slots, frames of 12x12 pixels, 1 streams, 1 fr"

    def Dataset(self):
        frames, masks = np.zeros((4, 2, 8, 9, 1), np.uint8), np.zeros((4, 2, 8, 9), np.uint8)
        made = rsf.Dataset.from_arrays(
            frames,
            masks,
            test=(frames, masks),
            validation=0.25,
            class_names=[f"a{n}" for n in range(200)],
        )
        return made, "<Dataset 3 train, 1 validation, 4 test videos of 8x9 pixels, 200 classes (a0"

    def FixedSchedule(self):
        return rsf.FixedSchedule(3, 1), "FixedSchedule(slow=3, fast=1"

    def DistanceHalting(self):
        policy = rsf.DistanceHalting("l2", 0.5, 4)
        many = dataclasses.replace(policy, threshold=jnp.asarray(_LONG))
        assert "threshold=float32[2000]" in repr(many)
        return policy, "DistanceHalting(metric='l2', threshold=0.5, max_steps=4"

    def ChangeGate(self):
        return rsf.parse_policy("gate:0.002:0.05+s3f1"), "inner=FixedSchedule(slow=3, fast=1"

    def ActHalting(self):
        return rsf.parse_policy("act:0.01:12"), "ActHalting(epsilon=0.01, max_steps=12"

    def PonderHalting(self):
        return rsf.parse_policy("ponder:0.5:12"), "PonderHalting(threshold=0.5, max_steps=12"

    def ReadoutHalting(self):
        policy = rsf.parse_policy("readout:flips:0.002:12")
        return policy, "ReadoutHalting(rule='flips', threshold=0.002, max_steps=12"

    def Refresh(self):
        return rsf.parse_policy("refresh:64+l2:0.5:4"), "inner=DistanceHalting(metric='l2'"

    def Anderson(self):
        return rsf.parse_policy("anderson:5+s6f1"), "Anderson(memory=5, inner=FixedSchedule(slow=6"

    def NetworkKind(self):
        for name in network_names():
            assert len(repr(kind_of(name))) <= _MOST
        assert "2 tensors" not in repr(kind_of("dru"))
        return kind_of("hgru"), "HGRUCell: recurrent, statistics sample or batch"

    def RecurrentModel(self):
        return self._trained.model, "HGRUCell"

    def FeedforwardModel(self):
        model = rsf.build_model(tiny_config(model="ff6", slow_steps=1, norm_statistics="running"))
        return model, "layers_count = 6"

    # Further packages.

    def Card(self):
        return read_card("easy_s6f1"), "<Card easy_s6f1: easy_s6f1, weights in "

    def Record(self):
        return read_card("easy72_s6f1").record, "test mIoU s6f1 0.928"

    def FrameResult(self):
        engine, _ = self.StreamEngine()
        (result,) = engine.results()
        return (
            result,
            "stream='camera', index=0, status='done', outputs=float32[12, 12, 2], st",
        )

    def Stream(self):
        return self._trained.engine(frame_shape=(12, 12)).open("door"), "Stream('door', open, 0 f"

    def Statistics(self):
        return self._trained.engine(frame_shape=(12, 12)).statistics(), "slot_steps=0"

    def Shadow(self):
        return Shadow(rsf.FixedSchedule(8, 8)), "reference=FixedSchedule(slow=8"

    def Alarm(self):
        alarm = Alarm(0.1)
        alarm.update(0.5)
        return alarm, "<Alarm limit 0.1, level 0.01, 1 losses with a mean of 0.5, not raised>"

    def Watch(self):
        return Watch(Alarm(0.1), Shadow(rsf.FixedSchedule(8, 8))), "alarm=<Alarm"

    def Target(self):
        return Target("steps", 0.9), "Target(quantity='steps', limit=0.9"

    def Resplits(self):
        return Resplits(9, 9, 1.0, 0.5, 0.25, 1.5), "exceeded=0.5"

    def Units(self):
        data, _ = self.Dataset()
        return Units("clips", data.validation, data.train, None), "<Units 1 validation, 3 calibra"

    def Scored(self):
        return Scored(_LONG, _LONG), "quality=float32[2000], steps=float32[2000]"

    def Told(self):
        policy = Told(np.zeros((9, 999), np.uint8), rsf.FixedSchedule(1, 1))
        return policy, "events=uint8[9, 999], inner=FixedSchedule"

    def Appearance(self):
        return pretrained.load_pretrained("easy_s6f1").appearance, "frame_size=(128, 128)"

    def Batch(self):
        return Batch(_BIG, _BIG, _LONG), "Batch(frames=float32[2, 500, 3]"

    def ReuseNetwork(self):
        network = ReuseNetwork(lambda variables, frame: frame, {"kernel": _BIG})
        return network, "{1 arrays, 3,000 numbers}, method region, thresholds 0>"

    def Analysis(self):
        many = (
            Changes(*[_BIG] * 5),
            Correlation(0.5, 0.5, 0.5, 0.5, _LONG, _LONG, _LONG, 3),
            StepsByChange(0.5, *[_LONG] * 4),
            DistanceRatios(_LONG, _LONG, _LONG),
            FollowedFrame(_BIG, _BIG),
            LongRun("converges", _BIG, "cycles", _BIG, _BIG),
            FrameScores(_BIG, _BIG),
            ForegroundScores(*[_BIG] * len(dataclasses.fields(ForegroundScores))),
        )
        assert all(len(repr(one)) <= _MOST for one in many)
        return Trajectory(*[_LONG] * 5), "coordinates=float32[2000]"

    def SegmentationScores(self):
        iou = np.zeros(50)
        return SegmentationScores(iou, 0.25, 0.5, 0.5), "iou=float64[50], miou=0.25"

    def Tests(self):
        score = EventScore(9, 0.5, 1.0)
        events = dict.fromkeys(("start", "cut", "change", "pause", "a", "b", "c"), score)
        live = LiveScore("s1f1", {"kind": "x"}, False, 0.5, 0.5, 1.0, 2.0, events)
        assert len(repr(live)) <= _MOST
        still = StillCamera("s1f1", 0.0, 9, [0.5] * 1000, [1.0] * 1000)
        assert "miou=[1000 entries]" in repr(still)
        many = [0.5] * 99
        point = Point("s1f1", {}, 0.5, 0.1, 1.0, many, many, 9.0, 1.0, False, True)
        return point, "miou_by_frame=[99 entries]"


_NAMES = [name for name in vars(Things) if not name.startswith("_")]


@pytest.fixture(scope="module")
def things():
    return Things()


@pytest.mark.parametrize("name", _NAMES)
def test_what_is_public_is_shown_briefly(things, name):
    thing, said = getattr(things, name)()
    shown = repr(thing)
    assert said in shown
    assert len(shown) <= _MOST
    assert "0x" not in shown.replace("x12", "")
    if name != "RecurrentModel" and name != "FeedforwardModel":  # as Flax shows a module
        assert "\n" not in shown


def test_every_public_class_is_looked_at():
    classes = {name for name in rsf.__all__ if inspect.isclass(getattr(rsf, name))}
    # Of which nobody has an object.
    assert classes - set(_NAMES) <= {"InputError", "RecurrentCell", "StepPolicy", "VideoModel"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (_BIG, "float32[2, 500, 3]"),
        (np.float32(0.1), "0.1"),
        (jnp.float32(1.5), "1.5"),
        (jax.ShapeDtypeStruct((3,), np.int8), "int8[3]"),
        ({"a": {"b": _BIG}, "c": _LONG}, "{2 arrays, 5,000 numbers}"),
        ({"a": 1}, "{'a': 1}"),
        (dict.fromkeys(range(9)), "{9 entries}"),
        ([1, 2.5, None], "[1, 2.5, None]"),
        ((1,), "(1,)"),
        (list(range(99)), "[99 entries]"),
        ("a" * 999, f"'{'a' * 57}...'"),
        (len, "len"),
        (Things, "Things"),
        (object(), "<object>"),
        (Path("/a"), "PosixPath('/a')"),
    ],
)
def test_values_are_shown_in_a_few_words(value, shown):
    assert short(value) == shown


def test_whatever_an_array_is_it_can_be_shown():
    used_up = jnp.float32(1)
    used_up.delete()
    assert short(used_up) == "float32[]"
    assert "key" in short(jax.random.key(0))
    seen = []
    jax.jit(lambda x: seen.append(short(x)) or x)(1.0)
    assert seen == ["float32[]"]
