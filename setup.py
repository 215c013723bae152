"""Which packages are installed; all else is in pyproject.toml.

The builders lie in `datasets/`, where `tfds build` looks for them, and are installed as
`rsf_jax.datasets.NAME`: a top-level package `datasets` would shadow Hugging Face's.
"""

from setuptools import find_packages, setup

_BUILDERS = find_packages("datasets")

setup(
    packages=[
        *find_packages(include=["rsf_jax", "rsf_jax.*"]),
        *(f"rsf_jax.datasets.{name}" for name in _BUILDERS),
    ],
    package_dir={f"rsf_jax.datasets.{name}": f"datasets/{name}" for name in _BUILDERS},
)
