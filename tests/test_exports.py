"""What is public: the names that `rsf_jax` and its packages hand out."""

import importlib
import pkgutil
from pathlib import Path

import pytest

import rsf_jax as rsf

ROOT = Path(rsf.__file__).parent
PACKAGES = [f"rsf_jax.{m.name}" for m in pkgutil.iter_modules([str(ROOT)]) if m.ispkg]
# By which programs outside have known it since the first version.
KEPT = {
    "rsf_jax.analysis": {"analyze", "measure_changes", "project_trajectory", "figures"},
    "rsf_jax.calibration": {"Target", "calibrate", "check", "load_calibration"},
    "rsf_jax.data": {"open_dataset"},
    "rsf_jax.evaluation": {"evaluate", "load_trained"},
    "rsf_jax.experiment": {"run"},
    "rsf_jax.interop": {"load_published", "tensors_of", "to_flax", "to_torch"},
    "rsf_jax.media": {"VideoWriter"},
    "rsf_jax.policies": {"NEVER", "DistanceHalting", "FixedSchedule", "parse_policy"},
    "rsf_jax.reuse": {"METHODS", "ReuseNetwork", "frame_network", "run_clip"},
}


@pytest.mark.parametrize("name", ["rsf_jax", *PACKAGES])
def test_what_a_package_says_is_public_is_there(name):
    package = importlib.import_module(name)
    public = getattr(package, "__all__", [])
    assert list(public) == sorted(public, key=lambda n: (n.upper() != n, n[0].islower(), n))
    for one in public:
        assert getattr(package, one) is not None
    with pytest.raises(AttributeError):
        package.no_such_name  # noqa: B018


@pytest.mark.parametrize("name", KEPT)
def test_names_that_programs_know_stay(name):
    module = importlib.import_module(name)
    for one in KEPT[name]:
        if not hasattr(module, one):
            importlib.import_module(f"{name}.{one}")


def test_the_library_shows_its_api_alone():
    assert dir(rsf) == sorted(rsf.__all__)
    assert {"load_trained", "open_dataset", "Trained", "interop"} <= set(dir(rsf))
