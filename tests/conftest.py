"""Checks named array types while the tests run, and makes silent broadcasting an error."""

import os
import tempfile

from tests import brevity, compiling

# Before JAX starts: several CPU devices for the tests of parallel training, no GPU needed.
os.environ["JAX_PLATFORMS"] = "cpu"
# One width of vectors for tests and the launchers they start, which would choose their own: runs
# that are compared bitwise must be compiled alike.
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count=4 {compiling.FLAGS}"
# Many tests run the same small programs, some in processes of their own: compile them once.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="rsf_jax_compiled_")
# The smallest are compiled sooner than written.
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.02"

import dataclasses
import gc
import shutil
from pathlib import Path

import jax
import pytest
from jaxtyping import install_import_hook

_TESTS = Path(__file__).parent
_LIBRARY = _TESTS.parent / "rsf_jax"
# These check what they are given themselves, and are tested with wrong types.
_OWN_CHECKS = ("policies", "config/config.py", "config/fields.py", "config/networks.py")
_OWN_CHECKS += ("config/registry.py", "reuse/functions.py", "reuse/given.py", "reuse/network.py")
_OWN_CHECKS += ("media/checks.py", "media/fitting.py", "media/folders.py", "media/json_lines.py")
_OWN_CHECKS += ("media/kinds.py", "media/mask_writer.py", "media/overlay.py", "media/run.py")
_OWN_CHECKS += ("media/sources.py", "media/video_writer.py", "programs/export.py")
_OWN_CHECKS += ("reuse/training.py",)
_OWN_CHECKS += ("ops/conv.py", "calibration/truncation.py")


def _modules():
    """The modules whose arguments are checked by their types; found without importing them."""
    for path in sorted(_LIBRARY.rglob("*.py")):
        name = path.relative_to(_LIBRARY).as_posix()
        if path.name != "__init__.py" and not name.startswith(_OWN_CHECKS):
            yield "rsf_jax." + name.removesuffix(".py").replace("/", ".")


# The packages beside the launchers too.
_BESIDE = ("benchmarks", "documentation", "reproduction")
install_import_hook([*_modules(), *_BESIDE], "beartype.beartype")
jax.config.update("jax_numpy_rank_promotion", "raise")


# Begun first, in this order: a worker that is left with one of them at the end works alone.
_LONGEST = [
    *("drill/test_drill", "training/test_processes", "training/test_loop", "policies/test_gate"),
    *("training/test_step", "test_launchers", "test_sharding", "test_derivatives", "test_golden"),
    *("calibration/test_disagreement", "gradients/test_observing"),
    *("training/test_stream_training", "test_notebooks", "test_own_video", "test_pages"),
    *("pretrained/test_pretrained", "reuse/test_exactness", "commands/test_calibrate"),
    *("test_unroll", "test_own_cells", "analysis/test_analysis", "streaming/test_engine"),
]


def pytest_collection_modifyitems(items):
    """Long files first: xdist's own order, by the number of tests, has them at the end."""
    places = {_TESTS / f"{name}.py": place for place, name in enumerate(_LONGEST)}
    assert all(path.exists() for path in places), "a long file has another name now"
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish():
    """What is imported stays: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
    # Tracing makes many objects, few of which are garbage that only a collector finds.
    gc.set_threshold(20_000, 20, 20)


def pytest_unconfigure():
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


# Every compiled program takes some of the memory maps that Linux allows a process, 65,530 unless
# set otherwise; XLA crashes where there are none left.
_MANY_MAPS = 25_000
_MAPS = Path("/proc/self/maps")


@pytest.fixture(scope="module", autouse=True)
def few_programs():
    """Forgets what was compiled, after a file of tests that leaves too much of it."""
    yield
    if _MAPS.exists() and _MAPS.read_bytes().count(b"\n") > _MANY_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session", autouse=True)
def brief_timing():
    """Speeds are measured as briefly as can be: no test looks at how high they are."""
    with pytest.MonkeyPatch.context() as patch:
        for name in brevity.SECONDS:
            patch.setattr(name, 0.0)
        yield


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A TFDS data directory with `t_pathfinder/tiny`: train 40, test 10, calibration 20 videos."""
    from t_pathfinder.subsets import SUBSETS
    from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig

    folder = tmp_path_factory.mktemp("tensorflow_datasets")
    subset = dataclasses.replace(
        SUBSETS["quickstart"], train_videos=40, test_videos=10, calibration_videos=20
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("T_PATHFINDER_WORKERS", "1")
        Builder(
            config=SubsetConfig(name="tiny", subset=subset), data_dir=folder
        ).download_and_prepare()
    return folder


@pytest.fixture(scope="session")
def run(data_dir, tmp_path_factory):
    """A whole small experiment, run once: its configuration and its folder."""
    # Not above: the import hook has to come first.
    from configs import tiny_config

    from rsf_jax import experiment

    config = tiny_config(data_dir, channels=4, epochs=1, devices=1)
    workdir = tmp_path_factory.mktemp("run")
    experiment.run(config, workdir)
    return config, workdir
