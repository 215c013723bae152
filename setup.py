"""Which packages are installed, and what a package index shows; all else is in pyproject.toml.

The builders lie in `datasets/`, where `tfds build` looks for them, and are installed as
`rsf_jax.datasets.NAME`: a top-level package `datasets` would shadow Hugging Face's.
"""

import re
import tomllib
from pathlib import Path

from setuptools import find_packages, setup

_BUILDERS = find_packages("datasets")
_PICTURE_AND_CAPTION = re.compile(r"!\[[^\]]*\]\((?!https?:)[^)]+\)\n(?:\n\*[^*\n][^\n]*\*\n)?")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)")


def _description() -> str:
    """README.md where paths of the repository lead nowhere: with its address, or without links."""
    text = Path("README.md").read_text(encoding="utf-8")
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    address = project.get("urls", {}).get("Repository")
    if address is None:
        return _LINK.sub(r"\2", _PICTURE_AND_CAPTION.sub("", text))
    kinds = {"!": "raw", "": "blob"}
    return _LINK.sub(
        lambda m: f"{m[1]}[{m[2]}]({address.rstrip('/')}/{kinds[m[1]]}/HEAD/{m[3]})", text
    )


setup(
    packages=[
        *find_packages(include=["rsf_jax", "rsf_jax.*"]),
        *(f"rsf_jax.datasets.{name}" for name in _BUILDERS),
    ],
    package_dir={f"rsf_jax.datasets.{name}": f"datasets/{name}" for name in _BUILDERS},
    long_description=_description(),
    long_description_content_type="text/markdown",
)
