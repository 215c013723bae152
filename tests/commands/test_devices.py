"""What commands do to JAX before it starts, each tried in a process of its own."""

import os
import subprocess
import sys

import pytest

_COMPILE = """
import jax
from rsf_jax.commands import devices
devices.keep_compiled()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.jit(lambda x: x * 2 + 1)(3.0).block_until_ready()
"""


@pytest.fixture
def compiled(tmp_path):
    """Compiles a program; returns the files that are kept below a folder, and when written."""

    def run(**variables):
        env = {n: v for n, v in os.environ.items() if not n.startswith(("JAX_COMP", "XDG"))}
        subprocess.run([sys.executable, "-c", _COMPILE], check=True, env={**env, **variables})
        found = tmp_path.rglob("jit__lambda*-cache")
        return {str(path.relative_to(tmp_path)): path.stat().st_mtime_ns for path in found}

    return run


def test_programs_are_kept_for_the_next_start(compiled, tmp_path):
    first = compiled(XDG_CACHE_HOME=str(tmp_path))
    assert [name.split("/")[:2] for name in first] == [["rsf_jax", "compiled"]]
    assert compiled(XDG_CACHE_HOME=str(tmp_path)) == first


def test_without_the_users_own_folder_it_is_below_home(compiled, tmp_path):
    (found,) = compiled(HOME=str(tmp_path))
    assert found.startswith(".cache/rsf_jax/compiled/")


@pytest.mark.parametrize("own", [{"JAX_ENABLE_COMPILATION_CACHE": "false"}, {"HOME": "/dev/null"}])
def test_nothing_is_kept_where_that_is_off_or_cannot_be(compiled, tmp_path, own):
    variables = {"XDG_CACHE_HOME": str(tmp_path)} if "HOME" not in own else {}
    assert compiled(**variables, **own) == {}


def test_a_folder_that_jax_was_told_of_is_left(compiled, tmp_path):
    (found,) = compiled(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "mine"), HOME=str(tmp_path))
    assert found.startswith("mine/")


def test_progress_bars_are_not_for_logs():
    program = """
from rsf_jax.commands import devices
devices.show_no_bars_in_logs()
from tqdm import auto
assert list(auto.tqdm(range(3))) == [0, 1, 2]
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stderr == b""
