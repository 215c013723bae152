"""What a solver costs beside the recurrent step, and how many steps it saves."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.record import write_record
from rsf_jax.measures.timing import compiled, time_in_turns
from rsf_jax.models.base import Prepared, State
from rsf_jax.policies import NEVER, DistanceHalting, FixedSchedule, StepPolicy, parse_policy
from rsf_jax.trained.model import Trained
from rsf_jax.typing import Array
from rsf_jax.unroll import advance

FILE = "solvers.json"
PLAIN = "plain"
_TIMED = 24  # steps of a frame


@dataclasses.dataclass(frozen=True)
class Row:
    """What was measured of a solver.

    Attributes:
        solver: its text, or `PLAIN`.
        milliseconds: of a step, the solver's part included; the shortest call.
        more: of that, what plain steps do not take.
        steps: mean steps of a frame until the residual is below each share of the state's size.
        capped: share of the frames that had not reached it by the cap, for each.
    """

    solver: str
    milliseconds: float
    more: float
    steps: list[float]
    capped: list[float]


def run(
    trained: Trained,
    videos: np.ndarray,
    *,
    solvers: Sequence[str],
    residuals: Sequence[float],
    cap: int,
    seconds: float,
) -> list[Row]:
    """Measures plain steps and solvers in turns, on the first frame at batch 1 and on all videos.

    Args:
        trained: a recurrent model.
        videos: uint8 or float32 [B, T, H, W, I].
        solvers: texts of wrappers, without what is inside, such as "anderson:5".
        residuals: shares of the state's size at which a frame ends.
        cap: the most steps.
        seconds: spent on timing each.
    """
    prepared = trained.prepare(videos.shape[2:4])
    state = trained.model.initial_state(1, videos.shape[2:4])
    names = [PLAIN, *solvers]
    timed = time_in_turns(
        {
            name: compiled(
                partial(_frame, policy=_around(name, FixedSchedule(_TIMED, _TIMED))),
                prepared,
                state,
                videos[:1, 0],
                units=_TIMED,
            )
            for name in names
        },
        seconds,
    )
    rows = []
    for name in names:
        rules = [DistanceHalting("l2", NEVER, cap, rtol=share) for share in residuals]
        steps = [np.asarray(trained.run(videos, _around(name, rule)).steps) for rule in rules]
        best = 1e3 * timed[name].best
        rows.append(
            Row(
                name,
                best,
                best - 1e3 * timed[PLAIN].best,
                [float(n.mean()) for n in steps],
                [float((n == cap).mean()) for n in steps],
            )
        )
    return rows


def _around(solver: str, policy: StepPolicy) -> StepPolicy:
    return policy if solver == PLAIN else parse_policy(f"{solver}+{policy}")


def _frame(prepared: Prepared, state: State, frame: Array, *, policy: StepPolicy) -> Any:
    # Counted while they run, as a solver's are.
    first = state.frame_index == 0
    return advance(prepared, state, frame, policy, first=first)[0].carry


def table(rows: Sequence[Row], residuals: Sequence[float]) -> Table:
    """Returns the rows for print."""
    shown = Table(title="A step, and mean steps of a frame until a step moves the state by less")
    for title in ("solver", "ms a step", "more", *(f"{100 * r:g} %" for r in residuals)):
        shown.add_column(title, justify="left" if title == "solver" else "right", no_wrap=True)
    for row in rows:
        steps = (
            f"{n:.2f}" + (f" ({100 * c:.0f} % capped)" if c else "")
            for n, c in zip(row.steps, row.capped)
        )
        shown.add_row(row.solver, f"{row.milliseconds:.2f}", f"{row.more:.2f}", *steps)
    return shown


def save(folder: Path, rows: Sequence[Row], settings: dict[str, Any]) -> Path:
    """Writes `solvers.json`; returns its path."""
    told = [dataclasses.asdict(row) for row in rows]
    tables = [table(rows, settings["residuals"])]
    return write_record(folder / FILE, tables, settings=settings, rows=told)
