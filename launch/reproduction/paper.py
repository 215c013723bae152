"""What the paper reports.

Source: Wang et al. 2024, tables 1 and 2; figure 3, read off its vector graphics to about .001 mIoU
and half a frame per second. Frames per second are of an RTX 3080.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        preset: what is trained.
        miou: the paper's mean IoU on the test split.
        frames_per_second: the paper's; None where it gives none.
        policy: tested with; None for the schedule of training.
        steps: the paper's mean steps per frame under a halting policy.
    """

    preset: str
    miou: float
    frames_per_second: int | None = None
    policy: str | None = None
    steps: float | None = None


def _rows(figures: dict[str, tuple[float, int | None]]) -> tuple[Row, ...]:
    return tuple(Row(preset, miou, fps) for preset, (miou, fps) in figures.items())


def _halting(distance: str, figures: dict[float, tuple[float, float]]) -> tuple[Row, ...]:
    return tuple(
        Row("hard_s8f8", miou, None, f"{distance}:{threshold}:12", steps)
        for threshold, (miou, steps) in figures.items()
    )


TABLES: dict[str, tuple[Row, ...]] = {
    "Table 1: Easy": _rows(
        {
            "easy_s6f6": (0.994, 110),
            "easy_s4f4": (0.994, 164),
            "easy_s2f2": (0.966, 311),
            "easy_s1f1": (0.879, 561),
            "easy_s6f1": (0.992, 342),
            "easy_s6f6_stateless": (0.972, None),
            "easy_s4f4_stateless": (0.919, None),
            "easy_s2f2_stateless": (0.685, None),
            "easy_s1f1_stateless": (0.536, None),
            "easy_s6f1_stateless": (0.586, None),
            "easy_ffres6": (0.895, 213),
        }
    ),
    "Figure 3: Hard": _rows(
        {
            "hard_s8f8": (0.786, 84),
            "hard_s8f6": (0.771, 107),
            "hard_s8f4": (0.775, 147),
            "hard_s8f2": (0.768, 234),
            "hard_s8f1": (0.718, 336),
            "hard_s6f6": (0.734, 111),
            "hard_s4f4": (0.715, 164),
            "hard_s3f3": (0.666, 216),
            "hard_s10f10": (0.77, None),
            "hard_s12f12": (0.77, None),
            "hard_s8f8_stateless": (0.642, None),
            "hard_s6f6_stateless": (0.560, None),
            "hard_s4f4_stateless": (0.363, None),
            "hard_s3f3_stateless": (0.289, None),
            "hard_s8f8_clstm": (0.764, 23),
            "hard_s8f4_clstm": (0.758, 41),
            "hard_s8f2_clstm": (0.690, 67),
            "hard_s6f6_clstm": (0.728, 31),
            "hard_s4f4_clstm": (0.640, 46),
            "hard_s8f8_clstm_stateless": (0.500, None),
            "hard_s6f6_clstm_stateless": (0.390, None),
            "hard_s4f4_clstm_stateless": (0.332, None),
            "hard_ff8": (0.508, 168),
            "hard_ffres8": (0.515, 170),
            "hard_ffres6": (0.367, 215),
            "hard_conv3ds": (0.432, 101),
            "hard_conv3dm": (0.476, 63),
        }
    ),
    "Table 2: halting on Hard": (
        *_halting("l2", {0.8: (0.78, 6.7), 0.9: (0.77, 5.7), 1.0: (0.76, 4.3), 1.1: (0.74, 3.3)}),
        *_halting("l1", {0.8: (0.79, 9.5), 0.9: (0.78, 6.3), 1.0: (0.76, 3.6), 1.1: (0.73, 2.8)}),
    ),
}
# Worth most first: what the others are compared with.
FIRST = ("easy_s6f1", "hard_s8f8", "hard_s8f2", "hard_s8f8_clstm", "easy_s6f6")


def presets() -> list[str]:
    """Returns all presets of the tables, in the order in which they are worth running."""
    every = (row.preset for rows in TABLES.values() for row in rows)
    return list(dict.fromkeys([*FIRST, *every]))


def policies(preset: str) -> list[str]:
    """Returns the policies that a preset's model is tested with, beside its own."""
    rows = (row for rows in TABLES.values() for row in rows if row.preset == preset)
    return [row.policy for row in rows if row.policy]
