"""The fault drill in its short form: `python -m tests.drill` tries each fault many times."""

import shutil

import pytest

from tests.drill.__main__ import drill, to_markdown

pytestmark = pytest.mark.slow


def test_nothing_is_lost_whatever_happens(tmp_path):
    rows = drill(tmp_path, tries=1, seed=0)
    assert [loss for row in rows for loss in row.losses] == []
    assert all(row.recovered == row.tries >= 1 for row in rows)
    assert len(to_markdown(rows).splitlines()) == 2 + len(rows)
    if len(rows) < 6:  # a full disk needs a mount
        assert len(rows) == 4
        pytest.skip("this system mounts no file system of one's own: the disk was not filled")
    shutil.rmtree(tmp_path)
