"""Every kind of policy is drawn, with an entry of its own in the legend."""

import itertools

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

import rsf_jax as rsf
from rsf_jax.evaluation.usual_policies import default_policies
from rsf_jax.figures import runs as figures
from rsf_jax.figures.policy_styles import kind_label, styles
from rsf_jax.policies import spec_of, to_spec

LABELS = {
    "s3f3": "same steps on all frames",
    "s3f1": "more on the first",
    "s1f3": "fewer on the first",
    "l2:0.8:12": "l2 ratio",
    "l1:0.8:12:min_first_steps=3": "l1 ratio, first frame's minimum",
    "pattern:1e-09:12:rtol=0.2": "pattern movement",
    "pattern:rtol=0.2:12:min_first_steps=3": "pattern movement, first frame's minimum",
    "l2:0.8:12:rtol=0.001": "l2 ratio or movement",
    "largest:0.5:12": "largest",
    "gate:0.01:0.45+s3f1": "gate, more on the first",
    "refresh:64+gate:0.01:0.45:pool=4+pattern:rtol=0.2:12": "refresh, gate, pattern movement",
    "mine:1+gate:0.01:0.45+s3f1": "mine",
    "Countdown(rate=0.5, max_steps=6)": "Countdown",
}


@pytest.mark.parametrize("text", LABELS)
def test_kinds_are_named(text):
    assert kind_label(spec_of(text)) == LABELS[text]


def test_a_metric_without_a_name_is_named_as_its_function():
    def mine(a, b):
        return a[:, 0, 0, 0]

    spec = to_spec(rsf.DistanceHalting(mine, 0.5, 3, min_first_steps=2))
    assert kind_label(spec) == "mine ratio, first frame's minimum"
    assert list(styles([spec])) == ["mine ratio, first frame's minimum"]


def test_a_spec_that_lacks_something_has_its_kind_as_label():
    for kind in ("schedule", "halting"):
        assert list(styles([{"kind": kind}])) == [kind]


def test_no_two_kinds_look_alike():
    metrics, rules = ("l1", "l2", "pattern"), ("0.8:12", "rtol=0.2:12", "0.8:12:rtol=0.1")
    minima = ("", ":min_first_steps=3")
    rules = map(":".join, itertools.product(metrics, rules))
    texts = [rule + least for rule, least in itertools.product(rules, minima)]
    texts += [*LABELS, *(f"own{n}:1" for n in range(20))]
    found = styles(map(spec_of, texts))
    assert len(found) == len({spec_of(t)["kind"] for t in texts} - {"schedule", "halting"}) + 21
    assert len(set(found.values())) == len(found)


def test_those_of_the_library_look_the_same_in_all_pictures():
    alone = styles([spec_of("l2:0.8:12")])
    among = styles(map(spec_of, ["aaa:1", "zzz:1", *LABELS]))
    assert among["l2 ratio"] == alone["l2 ratio"]


def test_every_default_policy_has_its_place():
    specs = map(to_spec, default_policies(rsf.get_config("hard_s8f8")))
    assert len(styles(specs)) == 2 + 9


@pytest.fixture
def drawn(monkeypatch):
    """The figure that was saved last."""
    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: saved.append(figure))
    monkeypatch.setattr(plt, "close", lambda _: None)
    yield saved
    for figure in saved:
        figure.clear()
    plt.close("all")


def _point(text, steps, **more):
    numbers = {"miou": 0.5 + 0.01 * steps, "steps": steps, "frames_per_second": 10.0 + steps}
    return {"policy": text, **numbers, "extrapolates": steps > 3, **more}


def test_the_trade_off_shows_every_point(drawn, tmp_path):
    points = [_point(text, float(n)) for n, text in enumerate(LABELS)]
    points.append(_point("??", 11.0, policy_spec={"kind": "countdown", "rate": 0.5}))
    results = {"points": points, "preset": "p", "training_schedule": "s3f1", "device": "cpu"}
    figures.save_tradeoff(tmp_path / "a.png", results)
    (legend,) = drawn[0].legends
    texts = {text.get_text() for text in legend.get_texts()}
    assert texts == {"Pareto front", "countdown", *LABELS.values()}
    for axes in drawn[0].axes:
        assert sum(len(c.get_offsets()) for c in axes.collections) == len(points)


def test_a_comparison_shows_every_kind(drawn, tmp_path):
    texts = ["s3f3", "s6f6", "l2:0.8:12", "countdown:0.5", "other:1"]
    points = [_point(text, n + 1.0) for n, text in enumerate(texts)]
    sweeps = {
        "A": {"points": points, "training_schedule": "s3f3"},
        "B": {"points": points[2:], "training_schedule": "s3f3"},
    }
    figures.save_comparison(tmp_path / "a.png", sweeps)
    (legend,) = drawn[0].legends
    found = [text.get_text() for text in legend.get_texts()]
    assert sorted(found) == ["A", "B", "as trained", "countdown", "halting", "other"]
    (axes,) = drawn[0].axes
    lines = [line for line in axes.lines if len(line.get_xdata())]
    ringed = [line for line in lines if line.get_markersize() == 11]
    assert [list(line.get_xdata()) for line in ringed] == [[1.0]]
    assert sum(len(line.get_xdata()) for line in lines) == 5 + 1 + 3
