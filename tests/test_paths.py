"""Paths as users write them."""

from pathlib import Path

import pytest

from rsf_jax.errors import InputError
from rsf_jax.paths import expand


def test_a_home_directory_is_put_in(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand("~/clips") == tmp_path / "clips"
    assert expand(Path("clips")) == Path("clips")


@pytest.mark.parametrize("path", ["a" * 5000, "b" * 300, "a\0b"])
def test_a_path_that_no_system_takes_is_named_in_short(path):
    with pytest.raises(InputError, match="is no path that can be used: ") as error:
        expand(path)
    assert len(str(error.value)) < 200
