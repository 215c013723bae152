"""What flags name that several commands have."""

import pytest

import rsf_jax as rsf
from rsf_jax.commands import choices


def test_a_name_that_is_taken_apart_at_its_comma_is_told(tmp_path):
    path = tmp_path / "one,two.mp4"
    path.touch()
    listed = str(path).split(",")
    with pytest.raises(rsf.InputError, match=r"write --input='.*one,two\.mp4'"):
        choices.all_inputs(["camera:0", *listed], [])
    assert choices.all_inputs(["camera:0"], [str(path)]) == ["camera:0", str(path)]
