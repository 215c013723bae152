import os
from pathlib import Path

import jax
import pytest
from compilations import compilations


def _compiled_anew():
    """A program of its own each time, with the text, and so the entry on disk, of the others."""

    def doubled_where_an_entry_is_damaged(x):
        return 2 * x

    return jax.jit(doubled_where_an_entry_is_damaged)


@pytest.fixture
def all_are_kept():
    """Programs that are compiled in a moment, too."""
    name = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    yield
    jax.config.update(name, before)


@pytest.mark.usefixtures("all_are_kept")
def test_an_entry_that_another_worker_is_still_writing_counts_as_missing():
    assert _compiled_anew()(3.0) == 6
    (entry,) = Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).glob(
        "jit_doubled_where_an_entry_is_damaged-*-cache"
    )
    entry.write_bytes(entry.read_bytes()[:1])
    assert _compiled_anew()(3.0) == 6


def test_compilations_are_counted():
    """Also those of programs that are found on disk."""
    for _ in range(2):
        once = _compiled_anew()
        with compilations() as compiled:
            once(3.0)
            once(4.0)
        assert len(compiled) == 1
        with compilations() as compiled:
            once(5.0)
        assert not compiled
