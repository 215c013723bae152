"""The README.md of weights: a model card as the Hugging Face hub reads it, made from the record.

Nobody types a figure of it, and nothing is said that the record does not know: the license is left
to whom the model belongs to.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rsf_jax.config.config import ARRAYS, Config
from rsf_jax.config.networks import kind_of
from rsf_jax.json_files import number, write_bytes
from rsf_jax.measures.foreground import BINARY
from rsf_jax.trained.cards import Card
from rsf_jax.trained.hub import FORM
from rsf_jax.trained.records import FORMAT, Record, Result, Still
from rsf_jax.trained.summary import in_a_line
from rsf_jax.version import __version__

FILE = "README.md"
_DIGITS = 4
_LICENSE = "# license: the identifier of yours, before you share this\n"


def write_model_card(card: Card) -> Path | None:
    """Writes the model card of weights beside them, for people and for the hub.

    Args:
        card: of the weights, as `save_pretrained` has returned it.

    Returns:
        The file; None if there is a README.md already, which is left as it is.
    """
    path = card.weights.with_name(FILE)
    if path.exists():
        return None
    write_bytes(path, model_card(card).encode())
    return path


def model_card(card: Card) -> str:
    """Returns a model card: a head of YAML, and a page of Markdown."""
    head = yaml.safe_dump(_head(card), sort_keys=False, allow_unicode=True)
    parts = [
        f"# {card.name}",
        _about(card),
        _use(card),
        _tests(card.record),
        _training(card.record),
        _limits(card.record),
        _files(card),
    ]
    return f"---\n{_LICENSE}{head}---\n\n" + "\n\n".join(parts) + "\n"


def _head(card: Card) -> dict[str, Any]:
    """What the hub reads."""
    record = card.record
    dataset = record.config["dataset"]
    recurrent = ["recurrent"] if kind_of(card.config.model).recurrent else []
    head: dict[str, Any] = {
        "library_name": "rsf_jax",
        "pipeline_tag": "image-segmentation",
        "tags": ["video", "video-segmentation", *recurrent, "jax", "flax", card.config.model],
        **({} if dataset == ARRAYS else {"datasets": [dataset.partition("/")[0]]}),
        "metrics": ["mean_iou"],
    }
    scores = [_metric(name, test) for name, test in record.tests.items() if test.miou is not None]
    if scores:
        result = {
            "task": {"type": "image-segmentation"},
            "dataset": _dataset(record),
            "metrics": scores,
        }
        head["model-index"] = [{"name": card.name, "results": [result]}]
    return head


def _dataset(record: Record) -> dict[str, str]:
    name = record.config["dataset"]
    dataset, _, config = name.partition("/")
    version = {"revision": record.version} if record.version else {}
    told = {"name": _data(record), "type": dataset, "config": config or dataset, "split": "test"}
    return told | version


def _data(record: Record) -> str:
    name = record.config["dataset"]
    return "videos that have no name" if name == ARRAYS else name


def _metric(policy: str, test: Result) -> dict[str, Any]:
    assert test.miou is not None
    return {"type": "mean_iou", "value": round(test.miou, _DIGITS), "name": f"mIoU, {policy}"}


def _about(card: Card) -> str:
    config, record = card.config, card.record
    line = in_a_line(config, record.parameters)
    lines = [f"A network for segmentation of video, by `rsf_jax`: `{line}`."]
    if kind_of(config.model).recurrent:
        lines.append(
            "Its recurrent cell is applied as often as a policy says, frame by frame: one set of "
            "weights gives the whole trade-off of speed and accuracy."
        )
    names = record.class_names
    if names != list(map(str, range(len(names)))):
        listed = ", ".join(f"{i} {_plain(name)}" for i, name in enumerate(names))
        lines.append(f"Classes: {listed}.")
    return " ".join(lines)


def _plain(text: str) -> str:
    """A text of a user's in a line of Markdown."""
    return "`" + " ".join(text.replace("`", "'").replace("|", "/").split()) + "`"


def _use(card: Card) -> str:
    config = card.config
    height, width = card.record.frame_size
    shape = f"(1, 5, {height}, {width}, {config.input_channels})"
    code = [
        "import numpy as np",
        "import rsf_jax as rsf",
        "",
        f'trained = rsf.load_pretrained(".")  # this folder; or "{FORM}"',
        f"frames = np.zeros({shape}, np.uint8)  # your video: [B, T, H, W, channels]",
        "out = trained.run(frames)  # with the schedule of its training",
        "out.logits.argmax(-1)  # [B, T, H, W]: the class of every pixel",
        "out.steps  # [B, T]: recurrent steps of every frame",
    ]
    if kind_of(config.model).recurrent:
        code.append("out = trained.run(frames, rsf.FixedSchedule(slow=2, fast=1))  # any other")
    return "\n".join(["## How to use", "", "```python", *code, "```", *_own_code(config)])


def _own_code(config: Config) -> Iterator[str]:
    """What to do before a network that is none of the library is loaded."""
    if not kind_of(config.model).module.__module__.startswith("rsf_jax."):
        yield ""
        yield (
            f"The network `{config.model}` is none of the library: import the file that registers "
            "it first. Nothing in this folder is executed."
        )


def _tests(record: Record) -> str:
    """Test scores by policy."""
    lines = ["## Test", ""]
    if not record.tests:
        return "\n".join([*lines, "None is on record."])
    what = "foreground IoU" if record.config["classes"] == BINARY else "mean IoU of the classes"
    lines += [
        f"mIoU: {what}, mean over the frames and videos of the test split. Frames per second at "
        f"batch 1 on {record.hardware}.",
        "",
        "| policy | mIoU | first frame | last frame | steps per frame | frames per second "
        "| videos |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{policy}` | {number(test.miou)} | {number(test.miou_by_frame[0])} | "
        f"{number(test.miou_by_frame[-1])} | {np.mean(test.steps_by_frame):.2f} | "
        f"{test.frames_per_second:,.0f} | {test.videos:,} |"
        for policy, test in record.tests.items()
    ]
    return "\n".join(lines)


def _training(record: Record) -> str:
    height, width = record.frame_size
    data = f"{_data(record)}{f' {record.version}' if record.version else ''}"
    begun = record.config["init_from"]
    rows = {
        "data": f"{data}, frames of {height}x{width} pixels",
        "preset": _plain(record.label),
        "begun from": _plain(begun) if begun else "nothing",
        "updates": f"{record.updates:,} of batch size {record.config['batch_size']}"
        f"{f', {record.epochs:.1f} epochs' if record.epochs else ''}; these weights are of update "
        f"{record.update:,}, the best on validation",
        "time of the updates": f"{record.seconds / 60:,.1f} minutes on {record.hardware}",
        "seed": str(record.seed),
    }
    table = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["## Training", "", "| | |", "| --- | --- |", *table])


def _limits(record: Record) -> str:
    height, width = record.frame_size
    lines = [
        f"- Trained and tested on frames of {height}x{width} pixels of {_data(record)}: "
        "others can be run, nothing is known of the accuracy there.",
        "- One seed.",
        *_of_still(record),
    ]
    return "\n".join(["## Limits", "", *lines])


def _of_still(record: Record) -> Iterator[str]:
    """Whether it can be left in front of a scene that does not change."""
    if not record.still:
        yield "- Not tested in front of a still camera: most models trained on clips drift there."
    for found in record.still:
        yield f"- In front of a still camera{_with(found)} it {_lasts(found)}."


def _with(found: Still) -> str:
    noise = f", sensor noise {found.noise:g} of white" if found.noise else ""
    return f" (`{found.policy}`{noise})"


def _lasts(found: Still) -> str:
    if found.holds:
        return f"holds all {found.frames:,} frames of the test"
    return (
        f"lasts {found.lasts:,} frame{'s' * (found.lasts != 1)}, then loses the target: begin anew "
        "by then (a new state, or `rsf.Refresh`)"
    )


def _files(card: Card) -> str:
    record = card.record
    made_by = f"{record.jax} of JAX, rsf_jax {__version__} (records of format {FORMAT})"
    return "\n".join(
        [
            "## Files",
            "",
            f"- `{card.weights.name}`: the weights. SHA-256 `{card.sha256}`, which is checked "
            "when they are loaded.",
            f"- `{card.name}.json`: the card with every setting and score, of which this page is "
            "made.",
            "",
            f"Versions: {made_by}.",
        ]
    )
