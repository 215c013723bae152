"""The pipeline of its page gives every frame what one process gives it."""

import numpy as np
import pages
import pytest
from filming import film, scenes

import rsf_jax as rsf
from rsf_jax.media import open_source

POLICY = "gate:0.0023:0.046+s3f1"


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The program of the page, and a folder with its two videos."""
    monkeypatch.chdir(tmp_path)
    for count, name in ((5, "door"), (7, "yard")):
        images = scenes(count)
        images[3:, :20, :20] = 255  # something comes, in front of colors that change
        film(tmp_path / f"{name}.mp4", images)
    return pages.blocks((pages.ROOT / "docs/guides/scale-out.md").read_text(), "python")[0][0]


@pytest.mark.slow
def test_frames_are_those_of_one_process(page, tmp_path):
    exec(page, {"__name__": "example"})
    trained, policy = rsf.load_pretrained("quickstart_live16"), rsf.parse_policy(POLICY)
    expected = []
    for path in ("door.mp4", "yard.mp4"):
        with open_source(tmp_path / path, (36, 36), channels=1) as source:
            frames = np.stack([picture.frame for picture in source])
        out = trained.run(frames[None], policy)
        targets = np.asarray(out.logits[0].argmax(-1)).mean((1, 2))
        expected += [
            f"{path},{t},{steps},{share}"
            for t, (steps, share) in enumerate(zip(np.asarray(out.steps[0]), map(float, targets)))
        ]
    written = "".join(path.read_text() for path in sorted(tmp_path.glob("steps.csv*")))
    assert sorted(written.splitlines()) == sorted(expected)
    assert {line.split(",")[2] for line in expected} >= {"0", "3"}
