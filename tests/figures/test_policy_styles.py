"""Every kind of policy is drawn, with an entry of its own in the legend."""

import library_policies
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

import rsf_jax as rsf
from rsf_jax.evaluation.usual_policies import default_policies
from rsf_jax.figures import runs as figures
from rsf_jax.figures.policy_styles import kind_label, styles
from rsf_jax.figures.tradeoff import number_ticks, save_tradeoff
from rsf_jax.policies import spec_of, to_spec

LABELS = {
    "s3f3": "same steps on all frames",
    "s3f1": "more on the first",
    "s1f3": "fewer on the first",
    "l2:0.8:12": "halting by ratio",
    "l1:0.8:12:min_first_steps=3": "halting by ratio, more on the first",
    "pattern:1e-09:12:rtol=0.2": "halting by movement",
    "pattern:rtol=0.2:12:min_first_steps=3": "halting by movement, more on the first",
    "l2:0.8:12:rtol=0.001": "halting by either",
    "largest:0.5:12": "largest",
    "readout:flips:0.002:12": "halting by flips of classes",
    "readout:news:0.002:12": "halting by new classes",
    "ponder:0.5:12": "halting by learned probability",
    "act:0.01:12": "halting by learned scores",
    "gate:0.01:0.45+readout:entropy:0.1:12": "gate, halting by entropy",
    "gate:0.01:0.45+s3f1": "gate, more on the first",
    "refresh:64+gate:0.01:0.45:pool=4+pattern:rtol=0.2:12": "refresh, gate, halting by movement",
    "gate:0.01:0.45+anderson:5+s3f3": "gate, anderson, same steps on all frames",
    "mine:1+gate:0.01:0.45+s3f1": "mine",
    "Countdown(rate=0.5, max_steps=6)": "Countdown",
}


@pytest.mark.parametrize("text", LABELS)
def test_kinds_are_named(text):
    assert kind_label(spec_of(text)) == LABELS[text]


@pytest.mark.parametrize("text", library_policies.one_of_each())
def test_every_kind_of_the_library_has_a_label(text):
    spec = spec_of(text)
    inner = spec.get("inner")
    if inner is None:
        assert kind_label(spec) != spec["kind"]
    else:
        assert kind_label(spec) == f"{spec['kind']}, {kind_label(inner)}"


def test_a_spec_that_lacks_something_has_its_kind_as_label():
    for kind in ("schedule", "halting"):
        assert list(styles([{"kind": kind}])) == [kind]


def test_no_two_kinds_look_alike():
    rules = ("0.8:12", "rtol=0.2:12", "0.8:12:rtol=0.1")
    texts = [f"{rule}{least}" for rule in rules for least in ("", ":min_first_steps=3")]
    texts = [f"{metric}:{text}" for metric in ("l1", "pattern") for text in texts]
    texts += [*LABELS, *(f"own{n}:1" for n in range(20))]
    found = styles(map(spec_of, texts))
    assert len(found) == 3 + 6 + 11 + 20  # schedules, halting, other kinds in LABELS, one's own
    assert len(set(found.values())) == len(found)


def test_those_of_the_library_look_the_same_in_all_pictures():
    alone = styles([spec_of("l2:0.8:12")])
    among = styles(map(spec_of, ["aaa:1", "zzz:1", *LABELS]))
    assert among["halting by ratio"] == alone["halting by ratio"]


def test_every_default_policy_has_its_place():
    specs = map(to_spec, default_policies(rsf.get_config("hard_s8f8")))
    assert len(styles(specs)) == 2 + 3


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


def _drawn_tradeoff(drawn, tmp_path, **more):
    points = [_point(text, float(n)) for n, text in enumerate(LABELS, start=1)]
    points.append(_point("??", len(LABELS) + 1.0, policy_spec={"kind": "countdown", "rate": 0.5}))
    results = {"points": points, "preset": "p", "training_schedule": "s3f1", "device": "cpu"}
    save_tradeoff(tmp_path / "a.png", results | more)
    return drawn[0], points


def test_the_trade_off_shows_every_point(drawn, tmp_path):
    figure, points = _drawn_tradeoff(drawn, tmp_path)
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[-2:] == [
        "none is as good with less",
        "hollow: may take more steps than in training",
    ]
    assert set(texts[:-2]) == {"countdown", *LABELS.values()}
    assert len(texts) == len(set(texts))
    for axes in figure.axes:
        assert sum(len(c.get_offsets()) for c in axes.collections) == len(points)


def test_the_best_are_labeled_and_what_was_trained_is_marked(drawn, tmp_path):
    figure, points = _drawn_tradeoff(drawn, tmp_path)
    left, right = ([text.get_text() for text in axes.texts] for axes in figure.axes)
    assert "s3f1, as trained" in left
    assert "s3f1, as trained" in right
    # More steps are always better here: all are on the front of the left panel, where they have
    # room; on the right one alone is.
    names = {p["policy"] for p in points}
    shortened = {text if len(text) <= 30 else f"{text[:27]}..." for text in names}
    labeled = set(left) - {"s3f1, as trained"}
    assert labeled <= shortened
    assert {"??", "s3f3"} <= labeled
    assert [text for text in right if "trained" not in text] == ["??"]
    ringed = [line for line in figure.axes[0].lines if line.get_markersize() == 13]
    assert [list(line.get_xdata()) for line in ringed] == [[2.0]]


def test_labels_do_not_run_into_each_other(drawn, tmp_path):
    crowd = [_point(f"s{n}f2", 3 + n / 1000) for n in range(1, 40)]
    figure, _ = _drawn_tradeoff(drawn, tmp_path, points=[*crowd, _point("s50f1", 20.0)])
    assert [text.get_text() for text in figure.axes[0].texts] == ["s50f1", "s39f2"]


def test_the_best_without_a_network_is_a_line(drawn, tmp_path):
    trivial = {"all_ink": 0.3, "first_target_kept": 0.9, "no_score": None}
    figure, _ = _drawn_tradeoff(drawn, tmp_path, trivial=trivial)
    for axes in figure.axes:
        (line,) = (line for line in axes.lines if line.get_linestyle() == "--")
        assert list(line.get_ydata()) == [0.3, 0.3]
        assert "all ink 0.300" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.9, 7.8, [1, 1.5, 2, 3, 4, 5, 6]),
        (198, 1441, [200, 300, 400, 500, 600, 800, 1000]),
        (3, 40000, [3, 10, 30, 100, 300, 1000, 3000, 10000, 30000]),
    ],
)
def test_axes_have_round_numbers(low, high, ticks):
    assert number_ticks(low, high) == pytest.approx(ticks)


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
