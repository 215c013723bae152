"""Summary: figures of a subset as Markdown tables, from freshly generated videos.

Run in `datasets/`: `python -m mazes.summary --config=temporal12`. The figures are those of the test
split; predictors that are fitted are fitted to training videos. `--videos` takes fewer.
"""

from __future__ import annotations

import argparse

import numpy as np
from contours.tables import table
from generated_videos.parallel import Example, generate
from generated_videos.subset import Subset

from mazes import cues
from mazes.clutter import INSIDE, OPENING
from mazes.drawing import SOURCE
from mazes.events import CUT, DECOY, FAR, KINDS, NEAR, START
from mazes.generator import video
from mazes.steps import CELL, REACH, steps_needed
from mazes.subsets import SUBSETS

Rows = list[tuple[str, ...]]
PATCHES = (9, 17)  # what one kernel of 9x9 sees, and two of them
MOST = 300  # frames that are looked at patch by patch, evenly spaced among all


def joined(examples: list[Example]) -> Example:
    """The frames of all videos one after the other, with masks, distance and events."""
    names = [name for name in examples[0] if name != "video"]
    together = {name: np.concatenate([example[name] for example in examples]) for name in names}
    return {"event": np.full(len(together["masks"]), START, np.uint8)} | together


def some(frames: Example) -> Example:
    """Some of the frames, evenly spaced."""
    which = np.unique(np.linspace(0, len(frames["masks"]) - 1, MOST).astype(int))
    return {name: values[which] for name, values in frames.items()}


def spread(values: np.ndarray) -> tuple[str, ...]:
    """Mean, median, 90th percentile and most."""
    return (f"{values.mean():.1f}", *(f"{np.percentile(values, at):.0f}" for at in (50, 90, 100)))


def mazes_rows(frames: Example) -> Rows:
    """Of every new maze: how much is connected, and how far."""
    new = frames["event"] <= CUT
    passage = cues.passages(frames["frames"])
    share = (frames["masks"].sum((1, 2)) / passage.sum((1, 2)))[new]
    parts = parts_of(passage[new])
    low, high = np.percentile(share, [5, 95])
    distance = frames["distance"][new]
    return [
        ("new mazes", f"{new.sum()}"),
        ("passages, share of the pixels", f"{passage[new].mean():.3f}"),
        ("parts: mean, fewest, most", f"{parts.mean():.1f}, {parts.min()}, {parts.max()}"),
        ("target, share of the passages: mean, 5th and 95th percentile",
         f"{share.mean():.3f}, {low:.3f}, {high:.3f}"),
        ("distance from the source, pixels: mean, median, 90th percentile, most",
         ", ".join(spread(distance))),
        (f"steps, {REACH} pixels each: mean, median, 90th percentile, most",
         ", ".join(spread(steps_needed(distance)))),
    ]  # fmt: skip


def parts_of(passage: np.ndarray) -> np.ndarray:
    """Parts of each maze, int64 [T]: without circles each opening makes one of two.

    Args:
        passage: bool [T, H, W].
    """
    cells = passage[0].size // CELL**2
    openings = (passage.sum((1, 2)) - INSIDE * cells) // OPENING
    return cells - openings


def changed_pixels(frames: Example) -> np.ndarray:
    """Of every frame, pixels that are others than before; 0 at the start: int64 [T]."""
    changed = np.zeros(len(frames["masks"]), np.int64)
    changed[1:] = (frames["frames"][1:] != frames["frames"][:-1]).sum((1, 2, 3))
    changed[frames["event"] == START] = 0
    return changed


def event_rows(frames: Example) -> Rows:
    """What is seen of each kind of event, and what it takes."""
    event, changed = frames["event"], changed_pixels(frames)
    moved = np.zeros(len(event), np.int64)
    moved[1:] = (frames["masks"][1:] != frames["masks"][:-1]).sum((1, 2))
    steps = steps_needed(frames["distance"])
    later = event != START
    rows: Rows = []
    for kind, name in enumerate(KINDS):
        here = event == kind
        if kind == START or not here.any():
            continue
        pixels = changed[here]
        rows.append(
            (
                name,
                f"{here.sum() / later.sum():.3f}",
                f"{np.mean(pixels == 2):.2f}",
                ", ".join(f"{np.percentile(pixels, at):.0f}" for at in (5, 50, 95)),
                f"{moved[here].mean():.0f}",
                ", ".join(spread(frames["distance"][here])),
                ", ".join(spread(steps[here])),
            )
        )
    return rows


def predictor_rows(frames: Example, fitting: Example) -> Rows:
    """Mean foreground IoU of predictors that follow no passage, and whether they tell anything.

    What guesses from patches may well guess all passages; `cues.told_apart` says more, of pixels in
    whose patch the source is not.
    """
    few, fitted_to = some(frames), some(fitting)
    pictures, truth = few["frames"], few["masks"] > 0
    passage = cues.passages(pictures)
    radius, disc = cues.best_disc(pictures, few["masks"])
    rows: Rows = [
        ("all passages", f"{cues.overlap(passage, truth).mean():.3f}", ""),
        (f"passages within {radius:.0f} pixels of the source, the best radius", f"{disc:.3f}", ""),
    ]
    for size in PATCHES:
        asked = passage & unaware(pictures, size)
        for linear in (True, False):
            found = cues.LocalPredictor.fitted(
                fitted_to["frames"], fitted_to["masks"], size, linear
            )
            kind = "linear" if linear else "not linear"
            scores = found.scores(pictures)
            iou = cues.overlap(scores > found.threshold, truth).mean()
            told = cues.told_apart(scores[asked], truth[asked])
            name = f"from a patch of {size}x{size} pixels, {kind}"
            rows.append((name, f"{iou:.3f}", f"{told:.3f}"))
    return rows + kept_rows(frames)


def kept_rows(frames: Example) -> Rows:
    """Mean foreground IoU of the mask of the frame before, of all frames and by event."""
    later = np.flatnonzero(frames["event"] != START)
    truth = frames["masks"] > 0
    kept = cues.overlap(truth[later - 1] & cues.passages(frames["frames"])[later], truth[later])
    names = {"": np.ones(len(later), bool)}
    for kind, name in enumerate(KINDS):
        names[f", at `{name}`"] = frames["event"][later] == kind
    return [
        (f"mask of the frame before{name}", f"{kept[which].mean():.3f}", "")
        for name, which in names.items()
        if which.any()
    ]


def cue_rows(frames: Example) -> Rows:
    """What single cues tell of the target, and of the steps."""
    few = some(frames)
    pictures = few["frames"]
    passage = cues.passages(pictures)
    asked = passage & unaware(pictures, PATCHES[-1])
    truth = few["masks"][asked] > 0
    height, width = passage.shape[1:]
    rows, columns = np.mgrid[:height, :width]
    inward = np.hypot(rows - (height - 1) / 2, columns - (width - 1) / 2)
    of_pixels = {
        "distance from the middle of the frame": np.broadcast_to(inward, passage.shape),
        "row": np.broadcast_to(rows, passage.shape),
        "column": np.broadcast_to(columns, passage.shape),
        "lighter gray level": pictures[..., 0],
        **{f"passages among {k}x{k} pixels": density(passage, k) for k in PATCHES},
    }
    found: Rows = [
        (f"{name}: tells the target", f"{cues.told_apart(values[asked], truth):.3f}")
        for name, values in of_pixels.items()
    ]
    steps, event = steps_needed(frames["distance"]), frames["event"]
    new = event <= CUT
    share = cues.passages(frames["frames"]).mean((1, 2))
    found.append(
        ("passages of a new maze and its steps: rank correlation",
         f"{cues.rank_correlation(share[new], steps[new]):.3f}")
    )  # fmt: skip
    among = (event > CUT) & (changed_pixels(frames) > 0)
    if among.any():
        changed = changed_pixels(frames)
        moved = np.isin(event, (NEAR, FAR))
        three = moved | (event == DECOY)
        for said, which in (
            ("near, far", moved), ("near, far, decoy", three), ("all that change", among)
        ):  # fmt: skip
            value = cues.rank_correlation(changed[which], steps[which])
            found.append((f"changed pixels and steps, {said}: rank correlation", f"{value:.3f}"))
    return found


def density(kind: np.ndarray, size: int) -> np.ndarray:
    """How many pixels of a kind, bool [T, H, W], there are around each one: int64 [T, H, W]."""
    return cues.surroundings(kind, size).sum((-2, -1))


def unaware(frames: np.ndarray, size: int) -> np.ndarray:
    """Which pixels have no pixel of the source in the patch around them: bool [T, H, W]."""
    return density(frames[..., 0] == SOURCE, size) == 0


def summarize(name: str, subset: Subset, count: int) -> str:
    """All tables of a subset."""
    parts = {}
    for split, most in (("test", count), ("train", min(count, MOST))):
        indices = subset.splits[split]
        numbers = range(indices.start, min(indices.stop, indices.start + most))
        parts[split] = joined(list(generate(video, subset.settings, subset.seed, numbers)))
    test = parts["test"]
    videos = int((test["event"] == START).sum())
    tables = [table((f"`{name}`, {videos} test videos", ""), mazes_rows(test))]
    if rows := event_rows(test):
        header = ("event", "share of the frames", "of which 2 pixels change")
        header += ("changed pixels: 5th percentile, median, 95th", "pixels of the mask that change")
        header += ("distance, pixels: mean, median, 90th percentile, most", "steps, likewise")
        tables.append(table(header, rows))
    header = ("predictor", "mean foreground IoU", "tells the target")
    tables.append(table(header, predictor_rows(test, parts["train"])))
    tables.append(table(("cue", ""), cue_rows(test)))
    return "\n".join(tables)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Figures of a subset as Markdown tables.")
    parser.add_argument("--config", choices=list(SUBSETS), default="temporal12")
    parser.add_argument("--videos", type=int, default=1000, help="test videos to generate")
    flags = parser.parse_args()
    print(summarize(flags.config, SUBSETS[flags.config], flags.videos))


if __name__ == "__main__":
    main()
