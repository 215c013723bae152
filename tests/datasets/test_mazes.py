"""Mazes: what is connected, how far, and that events do what they say."""

import dataclasses
import functools
import hashlib

import numpy as np
import pathfinder.subsets
import pytest
import t_pathfinder.subsets
import t_pathfinder_live.subsets
from generated_videos.parallel import generate
from mazes.drawing import DARK, LIGHT, SOURCE, WALL
from mazes.events import CUT, DECOY, FAR, KINDS, LOSS, NEAR, NOTHING, SEEN, START
from mazes.generator import video
from mazes.settings import Chances, Growth, Happening, Settings
from mazes.steps import CELL, REACH, steps_needed
from mazes.subsets import SUBSETS
from scipy import ndimage, sparse
from scipy.sparse import csgraph

NAMES = list(SUBSETS)
MOVING = [name for name in NAMES if SUBSETS[name].settings.happening]
# Recorded digests: other ones mean that the dataset would come out differently.
DIGESTS = {
    "static4": "9423740dba589189ca587f08b61a5a93e7d21bebd1a2f0834014fe9372371ab5",
    "static7": "e6624ad9a7212099e6b8cc40c6058ca699958d3b3aa9546ae095fc9a787eb39d",
    "static12": "6bd6646a7b1a17c5d3a9b52b84f28e24332d48256540e24418ab22091b769cee",
    "static16": "f295f1fd73401485f2278470f7a1e184a57de9e81e294853106f46987180b6a4",
    "static20": "076a95c09fe86e872ee83d8fd4b62be4abc7a837c93fdedfc7d80526f4aeb34b",
    "temporal12": "ef48858358b656fc66419d48065e379b78e642010ef21a8143c37c1d0952f87b",
    "temporal16": "fc910135930f9c09c26b917e24e6ed5b8883a9bfd5bd26a2207c0876775d8eda",
    "temporal20": "b528d7b9945d13f5cbf1fa5338fefad475fc0edea3c612b7f1f0848f3e0279b2",
    "hard12": "14acec342f76b652ff22b5ada7c9a946b46da934f540561fb5a4a9c5e0fe6718",
    "temporal12_long": "e7dcd72946f2402cb3e10873a97385f839dd080168c6f9c66a6837f3023b582f",
    "hard12_long": "5df1e8458d99233d5921d6ad7d17483b9f5e98d7fbd7cd112fec75ffe5dd1bfc",
}


@functools.cache
def _videos(name, count):
    subset = SUBSETS[name]
    return list(generate(video, subset.settings, subset.seed, range(count), workers=1))


def _digest(example):
    return hashlib.sha256(b"".join(np.asarray(v).tobytes() for v in example.values())).hexdigest()


def _cells(pictures):
    """One pixel of every cell, the last of its 3 x 3: [..., H / 3, W / 3]."""
    return pictures[..., CELL - 1 :: CELL, CELL - 1 :: CELL]


def _graph(frame):
    """Which cells are connected, read from the pixels of a frame [H, W, 1] between them."""
    gray = frame[..., 0]
    side = len(gray) // CELL
    number = np.arange(side * side).reshape(side, side)
    rows, columns = (np.s_[CELL - 1 :: CELL], np.s_[CELL::CELL])
    across, down = gray[rows, columns] > 0, gray[columns, rows] > 0
    pairs = [(number[:, :-1], number[:, 1:], across), (number[:-1], number[1:], down)]
    one, other = (np.concatenate([pair[k][pair[2]] for pair in pairs]) for k in (0, 1))
    ones = np.ones(len(one))
    return sparse.csr_array((ones, (one, other)), shape=(side * side,) * 2), set(zip(one, other))


def _farthest(frame, start, end):
    """Pixels from the cells of `start` to the farthest of `end`, bool each."""
    graph, _ = _graph(frame)
    starts = np.flatnonzero(start)
    found = csgraph.dijkstra(graph, directed=False, indices=starts, unweighted=True, min_only=True)
    return CELL * int(found[np.flatnonzero(end)].max())


def _all_events(name, count):
    """(event, frames before and at it, masks of cells before and at it, distance) of each."""
    for example in _videos(name, count):
        cells = _cells(example["masks"]) > 0
        for t in range(1, len(cells)):
            pictures = example["frames"][t - 1], example["frames"][t]
            yield example["event"][t], pictures, (cells[t - 1], cells[t]), example["distance"][t]


@pytest.mark.parametrize("name", NAMES)
def test_recorded_digests(name):
    assert _digest(_videos(name, 2)[0]) == DIGESTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_target_is_what_is_connected_with_the_source(name):
    for example in _videos(name, 2):
        for frame, mask in zip(example["frames"][..., 0], example["masks"], strict=True):
            label, _ = ndimage.label(frame != WALL)
            (of_source,) = np.unique(label[frame == SOURCE])
            np.testing.assert_array_equal(mask, label == of_source)


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_is_a_maze_without_circles(name):
    side = SUBSETS[name].settings.growth.side
    for example in _videos(name, 2):
        assert example["frames"].shape[1:] == (CELL * side, CELL * side, 1)
        assert set(np.unique(example["frames"])) <= {WALL, DARK, LIGHT, SOURCE}
        for frame in example["frames"][::5]:
            assert (_cells(frame[..., 0]) != WALL).all()
            (place,) = np.argwhere(_cells(frame[..., 0]) == SOURCE)
            row, column = place * CELL + 1
            assert (frame[row : row + 2, column : column + 2] == SOURCE).all()
            assert (frame == SOURCE).sum() == 4
            graph, opened = _graph(frame)
            parts, _ = csgraph.connected_components(graph, directed=False)
            assert len(opened) == side**2 - parts
            # Nothing but cells and the openings between them is passage.
            assert (frame != WALL).sum() == 4 * side**2 + 2 * len(opened)


@pytest.mark.parametrize("name", NAMES)
def test_a_new_maze_has_the_wanted_share_and_the_farthest_cell_s_distance(name):
    least, most = SUBSETS[name].settings.growth.connected
    for example in _videos(name, 4):
        new = np.flatnonzero(example.get("event", np.zeros(1)) <= CUT)
        for t in new:
            cells = _cells(example["masks"][t]) > 0
            assert least <= cells.mean() <= most
            source = _cells(example["frames"][t, ..., 0]) == SOURCE
            assert example["distance"][t] == _farthest(example["frames"][t], source, cells)


@pytest.mark.parametrize("name", ["temporal12", "temporal16", "hard12"])
def test_events_do_what_they_say(name):
    happening, seen = SUBSETS[name].settings.happening, set()
    for event, (before, now), (was, is_now), distance in _all_events(name, 30):
        seen.add(KINDS[event])
        new, gone = is_now & ~was, was & ~is_now
        if event == NOTHING:
            np.testing.assert_array_equal(before, now)
        if event in (NOTHING, DECOY):
            assert not new.any()
            assert not gone.any()
            assert distance == 0
        if event == DECOY:
            assert (before != now).any()
        if event in (NEAR, FAR):
            assert not gone.any()
            assert 0 < new.sum() <= happening.joined
            # The news comes from what was connected before.
            assert distance == _farthest(now, was, new)
        if event == LOSS:
            assert not new.any()
            assert 0 < gone.sum() <= happening.joined
            assert distance == _farthest(before, is_now, gone)
        if event == NEAR:
            assert distance <= CELL * happening.near
        if event == FAR:
            assert distance >= CELL * happening.far
    chances = dataclasses.asdict(happening.chances)
    assert seen == {kind for kind, chance in chances.items() if chance}


@pytest.mark.parametrize("name", ["temporal12", "hard12"])
def test_a_gate_is_one_wall_and_clutter_leaves_the_others_of_the_target(name):
    side = SUBSETS[name].settings.growth.side
    for event, pictures, (was, is_now), _ in _all_events(name, 30):
        if event in (START, CUT):
            continue
        (_, before), (_, now) = map(_graph, pictures)
        cells = set(np.flatnonzero(was | is_now))
        changed = [pair for pair in before ^ now if cells.intersection(pair)]
        assert len(changed) == (event in (NEAR, FAR, LOSS))
        assert (pictures[0] != pictures[1]).sum() <= 0.3 * 9 * side**2


@pytest.mark.parametrize("chances", [Chances(), SUBSETS["hard12"].settings.happening.chances])
def test_without_clutter_a_gate_and_a_decoy_change_two_pixels(chances):
    settings = SUBSETS["hard12"].settings
    happening = dataclasses.replace(settings.happening, clutter=0.0, chances=chances)
    counts = set()
    for index in range(20):
        example = video(dataclasses.replace(settings, happening=happening), 5, index)
        frames, event = example["frames"], example["event"]
        changed = (frames[1:] != frames[:-1]).sum((1, 2, 3))
        counts |= set(changed[event[1:] > NOTHING].tolist())
    assert counts == {2}


def test_events_are_about_as_often_as_they_should_be():
    for name, count in (("temporal12", 100), ("hard12_long", 20)):
        event = np.concatenate([example["event"][1:] for example in _videos(name, count)])
        chances = SUBSETS[name].settings.happening.chances
        for kind, chance in dataclasses.asdict(chances).items():
            share = np.mean(event == KINDS.index(kind))
            # Cuts take the place of gates that there are none for.
            low, high = (0.0, 0.06) if kind == "cut" else (-0.035, 0.0)
            noise = 3.5 * np.sqrt(chance * (1 - chance) / len(event))
            assert chance + low - noise <= share <= chance + high + noise


@pytest.mark.parametrize("name", MOVING)
def test_what_is_seen_follows_from_what_is_done(name):
    for example in _videos(name, 2):
        assert example["event"][0] == START
        np.testing.assert_array_equal(example["events"], np.array(SEEN)[example["event"]])
        assert example["event"].dtype == example["events"].dtype == np.uint8


def test_images_say_nothing_of_events():
    assert set(_videos("static7", 2)[0]) == {"video", "frames", "masks", "distance"}


def test_streams_are_long_videos():
    for name in ("temporal12", "hard12"):
        short, long = SUBSETS[name].settings, SUBSETS[f"{name}_long"].settings
        assert (short.frames, long.frames) == (12, 60)
        assert dataclasses.replace(short.happening, frames=60) == long.happening
        assert short.growth == long.growth


def test_nothing_but_settings_seed_and_number_decides_a_video():
    settings = SUBSETS["hard12"].settings
    plain = [video(settings, 3, index) for index in range(6)]
    for workers in (1, 2):
        others = generate(video, settings, 3, range(6), workers)
        assert [_digest(one) for one in plain] == [_digest(other) for other in others]
    assert _digest(video(settings, 3, 2)) == _digest(plain[2])
    assert len({_digest(one) for one in [*plain, video(settings, 4, 0)]}) == 7


def test_no_subset_has_the_seed_of_another():
    modules = (pathfinder.subsets, t_pathfinder.subsets, t_pathfinder_live.subsets)
    others = {subset.seed for module in modules for subset in module.SUBSETS.values()}
    seeds = [subset.seed for subset in SUBSETS.values()]
    assert len(set(seeds)) == len(seeds)
    assert not others.intersection(seeds)


def test_every_subset_has_four_splits():
    for name, subset in SUBSETS.items():
        assert set(subset.splits) == {"train", "test", "calibration", "validation"}
        trained_on = name in ("static4", "static7", "static12", "temporal12", "hard12")
        assert (subset.train_videos >= 10_000) is trained_on


def test_steps_are_distance_over_reach():
    distance = np.array([[0, 1, 8], [9, 16, 17]], np.int32)
    assert steps_needed(distance).tolist() == [[0, 1, 1], [2, 2, 3]]
    assert steps_needed(distance, 2).tolist() == [[0, 1, 4], [5, 8, 9]]
    assert steps_needed(24).item() == 3
    assert REACH == 8
    with pytest.raises(ValueError, match="reach=0 is not possible: it must be at least 1"):
        steps_needed(distance, 0)
    with pytest.raises(ValueError, match="distance=-1 is not possible: it must be 0 or above"):
        steps_needed([3, -1])


_GROWTH, _HAPPENING = Growth(7, (2, 4)), Happening(5)


@pytest.mark.parametrize(
    ("settings", "change", "message"),
    [
        (_GROWTH, {"side": 3}, "side=3 is not possible: it must be a whole number of at least 4"),
        (_GROWTH, {"trees": (1, 4)}, r"trees=\(1, 4\) is not possible"),
        (_GROWTH, {"trees": (2, 8)}, r"trees=\(2, 8\) is not possible: .* at most side=7"),
        (_GROWTH, {"onward": 1.5}, r"onward=1\.5 is not possible: .* a probability"),
        (_GROWTH, {"connected": (0.5, 0.2)}, r"connected=\(0\.5, 0\.2\) is not possible"),
        (_GROWTH, {"pockets": -1}, "pockets=-1 is not possible"),
        (_HAPPENING, {"frames": 0}, "frames=0 is not possible"),
        (_HAPPENING, {"far": 3}, "far=3 is not possible: it must be above near=3"),
        (_HAPPENING, {"joined": 8}, "far=9 is not possible: .* at most joined=8"),
        (_HAPPENING, {"clutter": 2.0}, r"clutter=2\.0 is not possible: it must be from 0 to 1"),
        (Chances(), {"cut": 0.1}, "chances=.* is not possible: .* probabilities with the sum 1"),
    ],
)
def test_impossible_settings_are_named(settings, change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(settings, **change)


def test_a_share_that_no_part_has_is_named():
    growth = dataclasses.replace(_GROWTH, trees=(7, 7), connected=(0.9, 0.95))
    with pytest.raises(ValueError, match=r"connected=\(0\.9, 0\.95\) is not possible: .* 7 to 7"):
        video(Settings(growth), 0, 0)
    with pytest.raises(ValueError, match="index=-1 is not possible"):
        video(Settings(_GROWTH), 0, -1)
