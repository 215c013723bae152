"""The picture of a live stream: frames with their steps, and what steps buy, of several models."""

from pathlib import Path
from typing import Any

from reproduction import live
from reproduction.plan import live_record
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation.live import streams_to_test
from rsf_jax.evaluation.live_test import strip
from rsf_jax.figures.live import save_live
from rsf_jax.policies import parse_policy
from rsf_jax.run_folder import read_json
from rsf_jax.trained.model import Trained

# Names of lines, and the families of policies that they show.
_LINES = {
    "state carried, no gate": "schedules",
    "halting, no gate": "halting",
    "refreshed": "refresh",
    "gate": "gate",
    "gate and halting": "gate and halting",
}
_STATELESS = "stateless, one model for each"


def save_picture(path: Path, trained: Trained, name: str, policy: str, records: Path) -> None:
    """Draws a stream under a policy, and mIoU against steps as recorded.

    Args:
        path: picture to write.
        trained: the model that the stream is shown to.
        name: of its record.
        policy: text of the policy of the stream.
        records: folder of records; stateless models are drawn as far as there are records of them.

    Raises:
        InputError: if the model's record is missing, or one is damaged.
    """
    rows, lines = _rows(records, name), {}
    others = [f"{stage.name}-seed0" for stage in live.STATELESS]
    found = [
        _rows(records, other) for other in others if live_record(records, other, "test").exists()
    ]
    if found:
        lines[_STATELESS] = [_point(scores[0]) for scores in found]
    for line, family in _LINES.items():
        if points := [_point(row) for row in rows if row["family"] == family]:
            lines[line] = points
    stream = streams_to_test(open_dataset(trained.config).test)[0]
    save_live(path, strip(trained, stream, parse_policy(policy)), lines)


def _rows(records: Path, name: str) -> list[dict[str, Any]]:
    """Scores without noise."""
    results = read_json(live_record(records, name, "test"), "run the plan `live` first")
    return [row for row in results["live"] if not row["noise"]]


def _point(row: dict[str, Any]) -> tuple[float, float]:
    return row["steps"], row["miou"]
