"""What the pages tell users to type: programs run, commands have the flags that they are given."""

import json
import os
import re
import subprocess
import sys

import jax
import numpy as np
import pages
import pytest
from marks import slow

import rsf_jax as rsf
from rsf_jax.cells import CELLS
from rsf_jax.config.networks import NETWORKS
from rsf_jax.policies import METRICS, POLICIES

# What a reader adds in `docs/how-to-add.md`.
_TO_BE_MADE = "quickstart_toy"


def _noise(*shape):
    return np.asarray(jax.random.uniform(jax.random.key(0), shape))


def _network(variables, frame):
    return jax.nn.relu(frame @ variables["weights"])


# What a page takes for granted, by its name; `trained` and the folder runs/quickstart are there.
_GIVEN = {
    "docs/guides/pretrained-weights.md": lambda: {"frames": _noise(1, 2, 72, 72, 1)},
    "docs/guides/notebook.md": lambda: {
        "height": 16,
        "width": 16,
        "camera": _noise(2, 1, 16, 16, 1),
    },
    "docs/guides/live-video.md": lambda: {"frame": _noise(36, 36, 1)},
    "docs/guides/reuse.md": lambda: {
        "network": _network,
        "variables": {"weights": np.ones((1, 2), np.float32)},
        "frame": _noise(1, 16, 16, 1),
        "next_frame": _noise(1, 16, 16, 1),
        "recording": _noise(6, 1, 16, 16, 1),
    },
    "docs/live.md": lambda: {"frames": _noise(1, 2, 36, 36, 1)},
}
# What is too large for a test, and what stands in for it.
_SMALLER = {
    "docs/guides/notebook.md": {"2, 8, 128, 128": "1, 2, 16, 16"},
    "docs/guides/live-video.md": {'rsf.get_config("quickstart")': "trained.config"},
    "docs/explanation/one-idea.md": {"5, 36, 36": "2, 12, 12"},
}
_WITH_PROGRAMS = [page for page in pages.PAGES if pages.blocks(page.read_text(), "python")]
_LONG = ("docs/guides/notebook.md",)


@pytest.fixture
def registries():
    """Forgets what a page has registered."""
    known = [(registry, dict(registry)) for registry in (CELLS, NETWORKS, METRICS, POLICIES)]
    yield
    for registry, before in known:
        registry.clear()
        registry.update(before)


@pytest.mark.usefixtures("registries")
def test_the_cell_of_its_page_is_a_cell():
    ((code, _),) = pages.blocks((pages.ROOT / "docs/guides/own-cell.md").read_text(), "python")
    exec(code, {"__name__": "example"})
    config = rsf.get_config("quickstart_my_cell").replace(channels=2, kernel_size=3)
    model = rsf.build_model(config.replace(options="gain=0.5"))
    frames = np.zeros((1, 2, 6, 6, 1), np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), frames)
    out = rsf.run_video(model, variables, frames, rsf.FixedSchedule(2, 1))
    assert out.logits.shape == (1, 2, 6, 6, 2)


@pytest.fixture
def in_a_clone(run, tmp_path, monkeypatch):
    """A folder in which runs/quickstart is a run."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "quickstart").symlink_to(run[1])
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("registries", "in_a_clone")
@pytest.mark.parametrize(
    "page",
    [slow(page) if pages.name(page) in _LONG else page for page in _WITH_PROGRAMS],
    ids=pages.name,
)
def test_the_programs_of_a_page_run(page):
    """One after the other, in one scope; of those that take long the names are looked up."""
    scope = {"__name__": "example", "rsf": rsf, "trained": rsf.load_trained("runs/quickstart")}
    scope |= _GIVEN.get(pages.name(page), dict)()
    for code, why in pages.blocks(page.read_text(), "python"):
        for large, small in _SMALLER.get(pages.name(page), {}).items():
            code = code.replace(large, small)
        if why:
            # "needs pip install ray": there are no tests of what that has.
            assert not pages.wrong_names(code, re.findall(r"pip install (\w+)", why))
        else:
            exec(compile(code, pages.name(page), "exec"), scope)


def test_wrong_names_are_found():
    code = "import rsf_jax as rsf\nfrom rsf_jax.data import open_dataset, close_dataset\n"
    code += "rsf.run_film(1)\nrsf.run_video(model, v, f, policy, stateful=True, record=True)\n"
    wrong = {"rsf.run_film", "rsf.run_video(record=)", "close_dataset"}
    assert set(pages.wrong_names(code)) == wrong


# Each with a part of what is wrong with it.
_TRAIN = ("python", "launch/train.py")
_TRIED = {
    (*_TRAIN, "--config=quickstart", "--config.channels=16"): None,
    (*_TRAIN, "--config=quickstart", "--config.chanels=16"): "Unknown command line flag",
    (*_TRAIN, "--config=quickstart", "--config.channels=0"): "must be at least 1",
    (*_TRAIN, "--config=quikstart"): "did you mean",
    (*_TRAIN, "quickstart"): "'quickstart' is no flag",
    ("python", "launch/trian.py"): "no command trian",
    ("rsf", "evaluate", "--policy=s8"): "'s8' is unknown",
    ("python", "-m", "rsf_jax", "evaluate", "--pretrained=none"): "=none: choose one of",
    ("srun", "--nodes=4", *_TRAIN, "--distributed", "--help"): None,
    ("pip", "install", "torch"): None,
}


@pytest.fixture(scope="module")
def mistakes():
    """What is wrong with the calls of all pages, and with those above: one process for all."""
    named = [
        (pages.name(page), call) for page in pages.PAGES for call in pages.calls(page.read_text())
    ]
    assert sum("launch/" in " ".join(call) for _, call in named) > 100
    calls = [*named, *(("here", call) for call in _TRIED)]
    done = subprocess.run(
        [sys.executable, "-m", "documentation.commands"],
        input="\n".join(json.dumps(call) for _, call in calls),
        env=os.environ | {"PYTHONPATH": f"{pages.ROOT}:{pages.ROOT / 'launch'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(page, call, why) for (page, call), why in zip(calls, json.loads(done.stdout))]


def test_the_commands_of_all_pages_have_their_flags_and_values(mistakes):
    wrong = [f"{page}: {' '.join(call)}: {why}" for page, call, why in mistakes if why]
    assert not [text for text in wrong if not text.startswith("here: ") and _TO_BE_MADE not in text]


def test_wrong_commands_are_found(mistakes):
    found = {call: why for page, call, why in mistakes if page == "here"}
    assert [call for call, part in _TRIED.items() if (part is None) != (found[call] is None)] == []
    assert [call for call, part in _TRIED.items() if part and part not in found[call]] == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("python launch/train.py --a=1  # why\n", [["python", "launch/train.py", "--a=1"]]),
        ('V="--a=1 --b=2"\npython x $V', [["python", "x", "--a=1", "--b=2"]]),
        ("for run in a b; do\n  python $run\ndone", [["python", "a"], ["python", "b"]]),
        ("cd d && . v/activate && pip install \\\n  x", [["pip", "install", "x"]]),
        ("rm -rf /", [["rm", "-rf", "/"]]),
    ],
)
def test_commands_are_read_as_bash_reads_them(code, words):
    assert pages.calls(f"```sh\n{code}\n```\n") == words


def test_commands_within_a_text_and_within_others_are_read():
    text = "Call `python launch/live.py --workdir=RUN`, or\n\n```sh\n"
    text += 'ssh --command="cd x && python launch/train.py --distributed"\n```\n'
    assert pages.calls(text)[-2:] == [
        ["python", "launch/live.py", "--workdir=RUN"],
        ["python", "launch/train.py", "--distributed"],
    ]
