"""Generator: one image or video of mazes as a pure function of settings, seed and index."""

from __future__ import annotations

import dataclasses
from collections.abc import Set

import numpy as np
from generated_videos.checks import require_index
from generated_videos.parallel import Example
from video_records.events import PAUSE, events_of

from mazes.chance import Chance
from mazes.clutter import OPENING, clutter
from mazes.drawing import Look, draw
from mazes.events import CUT, DECOY, KINDS, LOSS, NEAR, NOTHING, START
from mazes.gates import Passed, close_decoy, close_gate, open_decoy, open_gate
from mazes.scene import Scene, make
from mazes.settings import Happening, Settings
from mazes.steps import CELL


def video(settings: Settings, seed: int, index: int) -> Example:
    """Makes video `index`: the same bytes wherever, whenever and in whatever order.

    Args:
        settings: settings of the subset.
        seed: seed of the subset, 0 or above.
        index: number of the video, 0 or above.

    Returns:
        `video` int (index), `frames` uint8 [T, H, W, 1], `masks` uint8 [T, H, W] (0 or 1) and
        `distance` int32 [T] (pixels); of a subset in which something happens, `event` uint8 [T],
        see `events.KINDS`, and `events` uint8 [T], see `video_records.events`.

    Raises:
        ValueError: when seed or index is negative.
    """
    require_index(seed, index)
    chance = Chance(np.random.default_rng([seed, index]))
    scene = make(settings.growth, chance)
    kinds, depths, looks = [START], [max(scene.steps)], [Look.at(scene)]
    for _ in range(settings.frames - 1):
        kind = _drawn(settings.happening, chance)
        scene, kind, depth = _happen(scene, kind, settings, chance)
        kinds.append(kind)
        depths.append(depth)
        looks.append(looks[-1] if kind == NOTHING else Look.at(scene))
    frames, masks = draw(looks)
    made = {
        "video": index,
        "frames": frames,
        "masks": masks,
        "distance": np.array(depths, np.int32) * CELL,
    }
    if settings.happening is None:
        return made
    event = np.array(kinds, np.uint8)
    events = events_of(frames, masks, event <= CUT)
    # What clutter has undone has not happened.
    return made | {
        "event": np.where(events == PAUSE, NOTHING, event).astype(np.uint8),
        "events": events,
    }


def _drawn(happening: Happening, chance: Chance) -> int:
    """The kind of an event, by the chances."""
    left = chance.uniform()
    for name, probability in dataclasses.asdict(happening.chances).items():
        left -= probability
        if left < 0:
            return KINDS.index(name)
    return NOTHING


def _happen(scene: Scene, kind: int, settings: Settings, chance: Chance) -> tuple[Scene, int, int]:
    """Lets something happen.

    Returns:
        The scene, what has happened, and how many cells the news of it has to travel. A scene that
        has no gate for what was drawn is used up: then a cut is what happens.
    """
    happening, growth = settings.happening, settings.growth
    if kind == NOTHING:
        return scene, NOTHING, 0
    passed = None if kind in (CUT, DECOY) else _pass(scene, kind, happening, chance)
    is_decoy = kind == DECOY and _decoy(scene, happening.joined, chance)
    if passed is None and not is_decoy:
        scene = make(growth, chance)
        return scene, CUT, max(scene.steps)
    if chance.happens(happening.clutter):
        share = chance.uniform(0, happening.cluttered)
        pixels = int(share * len(scene.maze) * CELL**2) - OPENING
        spared: Set[int] = passed.cells if passed else set()
        clutter(scene, pixels, spared, growth, happening.joined, chance)
    return scene, kind, passed.depth if passed else 0


def _pass(scene: Scene, kind: int, happening: Happening, chance: Chance) -> Passed | None:
    """Opens a gate near or far, or closes one, either near or far."""
    is_near = kind == NEAR or (kind == LOSS and chance.happens(0.5))
    least, most = (1, happening.near) if is_near else (happening.far, happening.joined)
    move = close_gate if kind == LOSS else open_gate
    return move(scene, least, most, happening.joined, chance)


def _decoy(scene: Scene, joined: int, chance: Chance) -> bool:
    """Opens or closes a wall that is none of the source's part; returns whether there was one."""
    if chance.happens(0.5):
        return open_decoy(scene, joined, chance) or close_decoy(scene, chance)
    return close_decoy(scene, chance) or open_decoy(scene, joined, chance)
