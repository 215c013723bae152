"""What an analysis found, as a table."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from rsf_jax.console import table_console
from rsf_jax.json_files import number


def print_analysis(results: dict[str, Any]) -> None:
    """Prints the table of one analysis."""
    table = Table(title=f"{results['preset']}: hidden states of {results['videos']} test videos")
    for title in ("measured", "found"):
        table.add_column(title)
    for row in (*_between_frames(results), *_between_steps(results)):
        table.add_row(*row)
    console = table_console()
    console.print(table)
    console.print(
        f"policy {results['policy']}, halting rule {results['halting']}; a pattern is the state "
        "less each channel's mean over the frame",
        highlight=False,
        soft_wrap=True,
    )


def _between_frames(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for what, name in (("state", "correlation"), ("pattern", "pattern_correlation")):
        found = results[name]
        yield (
            f"correlation of drive and {what}",
            f"r {number(found['pearson'])}, same position {number(found['pearson_at_position'])}",
        )
    shares = [f"{100 * share:.0f} %" for share in results["trajectory"]["shares"]]
    yield f"components of video {results['video']}", " + ".join(shares) + " of the variance"
    halted = results["steps_by_change"]
    yield "halting: steps of each frame", " ".join(f"{n:.2f}" for n in halted["mean_by_frame"])
    yield "halting: steps against change", f"Spearman {number(halted['spearman'])}"


def _between_steps(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    ratios, run = results["distance_ratios"], results["long_run"]
    last = ratios["step"][-1]
    first, later = (number(ratios[frames][1][-1]) for frames in ("first", "later"))
    yield f"d_{last} / d_{last - 1}, median", f"first frames {first}, later ones {later}"
    for what, name in (("state", "behaviors"), ("pattern", "pattern_behaviors")):
        counts = ", ".join(f"{count} {name}" for name, count in run[name].items() if count)
        yield f"{what} in {run['steps']} steps", counts
    yield (
        f"IoU after {run['trained_steps']}, {run['steps']} steps",
        f"{number(run['iou_as_trained'])}, {number(run['iou_at_the_end'])}",
    )
    yield _reaction(results["reaction_time"])
    still = results["still_camera"]
    count = len(still["miou"])
    held = "holds" if still["holds"] else f"holds for {still['lasts']}"
    held = "no label" if still["miou"][-1] is None else held
    yield (
        f"the same frame {count} times",
        f"mIoU {number(still['miou'][0])}, then {number(still['miou'][-1])}: {held}",
    )


def _reaction(found: dict[str, Any]) -> tuple[str, str]:
    first, *later = found["mean_by_frame"]
    told = f"first frames {number(first)}"
    if later:
        told += f", later ones {number(sum(later) / len(later))}"
    return f"uncertain by {found['uncertainty']}, of {found['step'][-1]} steps", told
