"""What a gate decides on videos, which depends on no model: to choose its numbers by."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from rich import box
from rich.table import Table

import rsf_jax as rsf
from benchmarks.record import write_record
from rsf_jax.console import table_console
from rsf_jax.media.source import Source
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import Recurrence, entry

FILE = "gate.json"
_PERCENTILES = (10, 50, 90)
_SHOWN = 24  # frames of a picture
_COLUMNS = 12
_WIDE, _SHARES_HIGH = 14.0, 2.4  # inches of the picture and of its curve
_DECISIONS = {"fresh": "#0072b2", "steps": "#e69f00", "none": "#999999"}


@dataclasses.dataclass(frozen=True)
class Watched:
    """What a gate decided on the frames of a video.

    Attributes:
        name: of the video.
        shape: (height, width, channels) of the frames.
        share: float [T], of the pixels that have changed since the frame of the last step; NaN for
            the first.
        noise: float [T], estimated standard deviation, the noisiest channel's.
        decision: [T], "fresh", "steps" or "none".
        milliseconds: that it took of a frame, median.
        pictures: uint8 [h, w, 3], those of some frames by their numbers.
    """

    name: str
    shape: tuple[int, ...]
    share: np.ndarray
    noise: np.ndarray
    decision: list[str]
    milliseconds: float
    pictures: dict[int, np.ndarray] = dataclasses.field(repr=False)

    @property
    def left_out(self) -> float:
        """Share of the frames that get no step."""
        return self.decision.count("none") / len(self.decision)

    @property
    def anew(self) -> list[int]:
        """Frames that begin with a fresh state."""
        return [n for n, decision in enumerate(self.decision) if decision == "fresh"]

    @property
    def percentiles(self) -> list[float]:
        """Percentiles 10, 50, 90 of the shares of later frames."""
        later = self.share[1:]
        return np.percentile(later, _PERCENTILES).tolist() if len(later) else []


def gate(text: str) -> rsf.ChangeGate:
    """Returns a gate; raises InputError if a text names another policy."""
    policy = rsf.parse_policy(text)
    if not isinstance(policy, rsf.ChangeGate):
        raise rsf.InputError(f"policy {text!r} is no gate: write gate:0.01:0.45+s1f1")
    return policy


def watch(policy: rsf.ChangeGate, source: Source, max_frames: int = 0) -> Watched:
    """Lets a gate decide on every frame of a source.

    Args:
        policy: the gate.
        source: of frames.
        max_frames: the most; 0 for all.

    Raises:
        InputError: if there is no frame.
    """
    memory: Any = None
    shape: tuple[int, ...] = ()
    rows, seconds, pictures, every = [], [], {}, 1
    for n, picture in enumerate(source):
        if max_frames and n == max_frames:
            break
        frame = jnp.asarray(as_float(picture.frame))[None]
        if memory is None:
            shape, memory = frame.shape[1:], policy.init_memory(frame)
            _decide(policy, frame, True, memory)  # compiles
        difference = _look(policy, frame, memory)
        began = time.perf_counter()
        memory, *decided = jax.block_until_ready(_decide(policy, frame, n == 0, memory))
        seconds.append(time.perf_counter() - began)
        rows.append(jax.device_get((difference.share[0], difference.noise.max(), *decided)))
        if n % every == 0:
            pictures[n] = picture.image
        if len(pictures) > _SHOWN:
            every *= 2
            pictures = {k: image for k, image in pictures.items() if k % every == 0}
    if not rows:
        raise rsf.InputError(f"{source.label} has no frame: {source.problem or 'it is empty'}")
    share, noise, first, active = (np.array(x) for x in zip(*rows))
    share[0] = np.nan
    decision = np.where(first, "fresh", np.where(active, "steps", "none")).tolist()
    middle = 1000 * float(np.median(seconds))
    return Watched(source.name, shape, share, noise, decision, middle, pictures)


@jax.jit
def _decide(policy: rsf.ChangeGate, frame: Any, is_first: Any, memory: Any) -> Any:
    def same(carry: Any) -> Any:
        return carry

    state = jnp.zeros((1, 1, 1, 1))
    recurrence = Recurrence(frame, state, state, same, same, same)
    begun = policy.begin(recurrence, jnp.full(1, is_first), memory)
    return begun.memory, jnp.asarray(begun.first)[0], jnp.asarray(begun.active)[0]


@jax.jit
def _look(policy: rsf.ChangeGate, frame: Any, memory: Any) -> Any:
    return policy.look(frame, memory)


def table(found: list[Watched]) -> Table:
    """Returns a line for each video, for print."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))  # fits 80 columns
    for column in ("video", "size", "frames", "no step", "changed (%)", "noise", "ms"):
        shown.add_column(column, no_wrap=column != "video")
    for one in found:
        shown.add_row(
            one.name,
            "x".join(map(str, one.shape)),
            str(len(one.decision)),
            f"{one.left_out:.0%}",
            ", ".join(f"{100 * share:.2g}" for share in one.percentiles),
            f"{np.median(one.noise):.3f}",
            f"{one.milliseconds:.2f}",
        )
    return shown


def print_report(found: list[Watched]) -> None:
    """Prints the table, and where states begin anew."""
    console = table_console()
    console.print(table(found))
    told = ", ".join(map(str, _PERCENTILES))
    console.print(f"changed: of the pixels, percentiles {told} of later frames; ms: of a frame")
    for one in found:
        console.print(f"{one.name} begins with a fresh state at {', '.join(map(str, one.anew))}")


def save(folder: Path, policy: rsf.ChangeGate, found: list[Watched]) -> Path:
    """Writes `gate.json` and a picture of each video; returns the path of the first."""
    told = [
        {f.name: getattr(one, f.name) for f in dataclasses.fields(one) if f.name != "pictures"}
        for one in found
    ]
    for one in found:
        _draw(folder / f"{one.name}_gate.png", policy, one)
    return write_record(folder / FILE, [table(found)], **entry(policy), videos=told)


def _draw(path: Path, policy: rsf.ChangeGate, found: Watched) -> None:
    """Draws frames with what was decided under each, and the shares of all."""
    rows, (height, width) = -(-len(found.pictures) // _COLUMNS), found.shape[:2]
    high = _WIDE / _COLUMNS * height / width + 0.25  # inches of a row of frames
    figure = plt.figure(figsize=(_WIDE, rows * high + _SHARES_HIGH), layout="constrained")
    grid = figure.add_gridspec(rows + 1, _COLUMNS, height_ratios=[*rows * [high], _SHARES_HIGH])
    for place, (n, image) in enumerate(found.pictures.items()):
        axes = figure.add_subplot(grid[divmod(place, _COLUMNS)])
        axes.imshow(image[:: -(-image.shape[0] // 120), :: -(-image.shape[0] // 120)])
        axes.set(xticks=[], yticks=[])
        color = _DECISIONS[found.decision[n]]
        axes.set_xlabel(f"{n}: {found.decision[n]}", fontsize=8, color=color, weight="bold")
        for spine in axes.spines.values():
            spine.set(edgecolor=color, linewidth=2.5)
    axes = figure.add_subplot(grid[rows:, :])
    numbers = np.arange(len(found.share))
    shown = np.maximum(found.share, 1e-5)
    for decision, color in _DECISIONS.items():
        alike = np.array(found.decision) == decision
        axes.scatter(numbers[alike], shown[alike], s=12, color=color, label=decision)
    for name in ("skip", "cut"):
        axes.axhline(max(getattr(policy, name), 1e-5), color="0.7", linewidth=1)
        axes.annotate(name, (0, max(getattr(policy, name), 1e-5)), fontsize=8)
    axes.set(yscale="log", xlabel="frame", ylabel="share changed")
    axes.legend(frameon=False, fontsize=8, loc="lower right", ncols=3)
    figure.savefig(path, dpi=100)
    plt.close(figure)
