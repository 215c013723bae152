"""Batches in a fixed order, and clear words for damaged files."""

import itertools
import shutil

import grain
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.data import batches as batching
from rsf_jax.data import dataset as data


@pytest.fixture(scope="module")
def dataset(data_dir):
    return data.open_dataset(_config(data_dir))


def _config(data_dir, **changes):
    config = rsf.get_config("quickstart").replace(
        dataset="t_pathfinder/tiny", data_dir=str(data_dir), batch_size=8, validation_share=0.1
    )
    return config.replace(**changes)


def _take(batches, count):
    return list(itertools.islice(batches, count))


def _same(one, other):
    np.testing.assert_array_equal(one.frames, other.frames)
    np.testing.assert_array_equal(one.masks, other.masks)
    np.testing.assert_array_equal(one.weights, other.weights)


def _bytes(videos):
    return [videos[i]["frames"].tobytes() for i in range(len(videos))]


def test_splits_share_no_video(dataset):
    splits = [_bytes(split) for split in (dataset.train, dataset.validation, dataset.test)]
    assert [len(split) for split in splits] == [36, 4, 10]
    assert len({video for split in splits for video in split}) == 50


def test_an_epoch_holds_every_training_video_once_and_pads_the_rest(dataset, data_dir):
    config = _config(data_dir, augment=False)
    per_epoch = batching.updates_per_epoch(dataset, config)
    assert per_epoch == 5
    for epoch in range(2):
        batches = _take(batching.training_batches(dataset, config, epoch * per_epoch), per_epoch)
        weights = np.concatenate([b.weights for b in batches])
        frames = np.concatenate([b.frames for b in batches])
        assert frames.shape[0] == 40
        assert weights.sum() == 36
        assert not frames[weights == 0].any()
        seen = [frame.tobytes() for frame in frames[weights == 1]]
        assert sorted(seen) == sorted(_bytes(dataset.train))


def test_a_resumed_stream_goes_on_where_it_stopped(dataset, data_dir):
    config = _config(data_dir)
    whole = _take(batching.training_batches(dataset, config, 0), 12)
    for first in (0, 3, 5, 7):  # within, at the end of, and beyond the first epoch
        for ours, expected in zip(batching.training_batches(dataset, config, first), whole[first:]):
            _same(ours, expected)


def test_seeds_and_epochs_have_their_own_order(dataset, data_dir):
    def first_batch(seed, update):
        config = _config(data_dir, seed=seed)
        return _take(batching.training_batches(dataset, config, update), 1)[0].frames

    assert (first_batch(0, 0) == first_batch(0, 0)).all()
    assert (first_batch(0, 0) != first_batch(1, 0)).any()
    assert (first_batch(0, 0) != first_batch(0, 5)).any()


def test_flips_keep_a_video_whole(dataset, data_dir):
    originals = {}
    for i in range(len(dataset.train)):
        video = dataset.train[i]
        for rows, columns in itertools.product((1, -1), repeat=2):
            key = video["frames"][:, ::rows, ::columns].tobytes()
            originals[key] = ((rows, columns), video["masks"][:, ::rows, ::columns])
    states = set()
    for batch in _take(batching.training_batches(dataset, _config(data_dir), 0), 5):
        for frames, masks in zip(batch.frames, batch.masks):
            if frames.any():
                state, expected = originals[frames.tobytes()]
                np.testing.assert_array_equal(masks, expected)
                states.add(state)
    assert len(states) == 4


def test_batch_statistics_leave_the_remainder_out(dataset, data_dir):
    config = _config(data_dir, norm_statistics="batch")
    assert batching.updates_per_epoch(dataset, config) == 4
    for batch in _take(batching.training_batches(dataset, config, 0), 8):
        assert batch.weights.all()


def test_evaluation_sees_every_video_once(dataset):
    batches = list(batching.evaluation_batches(dataset.test, 4))
    assert [len(b.weights) for b in batches] == [4, 4, 2]
    frames = [frame.tobytes() for b in batches for frame in b.frames]
    assert frames == _bytes(dataset.test)


def test_nothing_here_imports_tensorflow_or_beam(data_dir, tmp_path):
    import subprocess
    import sys

    code = (
        "import sys, rsf_jax as rsf\n"
        "from rsf_jax.data.dataset import open_dataset\n"
        "config = rsf.get_config('quickstart').replace("
        f"dataset='t_pathfinder/tiny', data_dir={str(data_dir)!r})\n"
        "open_dataset(config).train[0]\n"
        "assert not {'tensorflow', 'apache_beam'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_unknown_datasets_are_named_with_what_there_is(data_dir):
    with pytest.raises(
        rsf.InputError,
        match=r"'t_pathfnder/hard'.*choose one of camvid, mazes, own_video, pathfinder, ",
    ):
        data.open_dataset(_config(data_dir, dataset="t_pathfnder/hard"))
    with pytest.raises(rsf.InputError, match=r"has the configs easy, hard, quickstart"):
        data.open_dataset(_config(data_dir, dataset="t_pathfinder/medium"))
    with pytest.raises(rsf.InputError, match="write t_pathfinder/CONFIG"):
        data.open_dataset(_config(data_dir, dataset="t_pathfinder"))


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(rsf.InputError, match="a folder is needed"):
        data.open_dataset(_config(tmp_path / "file"))


def test_a_share_of_few_videos_is_one_at_least(data_dir):
    found = data.open_dataset(_config(data_dir, validation_share=0.001, calibration_share=0.001))
    assert [len(x) for x in (found.train, found.validation, found.calibration)] == [38, 1, 1]


def test_too_few_videos_to_divide_are_named(data_dir):
    with pytest.raises(rsf.InputError, match=r"validation_share is 0\.99.*lower them"):
        data.open_dataset(_config(data_dir, validation_share=0.99))


@pytest.fixture
def copy(data_dir, tmp_path):
    """A copy of the dataset to damage."""
    shutil.copytree(data_dir / "t_pathfinder" / "tiny", tmp_path / "t_pathfinder" / "tiny")
    return tmp_path


def _records(folder, split):
    return next(folder.glob(f"t_pathfinder/tiny/*/*-{split}.*"))


def test_a_missing_file_is_named(copy):
    _records(copy, "test").unlink()
    with pytest.raises(rsf.InputError, match=r"lacks 1 file\(s\), such as t_pathfinder-test"):
        data.open_dataset(_config(copy))


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.95])
def test_a_truncated_file_is_noticed(copy, kept):
    file = _records(copy, "train")
    content = file.read_bytes()
    file.write_bytes(content[: round(kept if kept > 1 else kept * len(content))])
    with pytest.raises(rsf.InputError, match="is damaged: cannot read train"):
        _read_all(_config(copy))


def test_flipped_bytes_are_noticed(copy):
    file = _records(copy, "train")
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(255 - b for b in content[middle : middle + 8])
    file.write_bytes(content)
    with pytest.raises(rsf.InputError, match="is damaged: cannot read train"):
        _read_all(_config(copy))


def test_a_damaged_description_is_noticed(copy):
    description = next(copy.glob("t_pathfinder/tiny/*/features.json"))
    description.write_text(description.read_text()[:50])
    with pytest.raises(rsf.InputError, match="is damaged"):
        data.open_dataset(_config(copy))


def _read_all(config):
    opened = data.open_dataset(config)
    for split in (opened.train, opened.validation):
        assert isinstance(split, grain.MapDataset)
        _bytes(split)
