"""The builders of datasets, as they are installed.

In the repository they lie in `datasets/`, from where `tfds build` imports them by names without
this package, such as `t_pathfinder.t_pathfinder_dataset_builder`; so they know each other, too.
`rsf_jax.datasets.t_pathfinder` is therefore another name of the module `t_pathfinder` and not a
second module: TFDS refuses a builder that is defined twice.

See docs/decisions/0025-the-package.md.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import CodeType, ModuleType

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[1] / "datasets"
# The folder that the builders are in.
FOLDER = _HERE if any(_HERE.glob("*/*_dataset_builder.py")) else _REPOSITORY


def importable() -> None:
    """Lets `import t_pathfinder`, and what builders share, find what comes with the library.

    Last on `sys.path`: it hides nothing of a user's.
    """
    if str(FOLDER) not in map(str, sys.path):
        sys.path.append(str(FOLDER))


class _SecondNames(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `rsf_jax.datasets.NAME` as the module NAME."""

    def find_spec(
        self, fullname: str, path: object, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        name = fullname.removeprefix(f"{__name__}.")
        path = FOLDER.joinpath(*name.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name == fullname or not file.exists():
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=str(file))

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        importable()
        module = importlib.import_module(spec.name.removeprefix(f"{__name__}."))
        spec.loader_state = module.__spec__  # which Python replaces
        return module

    def get_code(self, fullname: str) -> CodeType | None:
        """For `python -m rsf_jax.datasets.NAME.MODULE`."""
        importable()
        name = fullname.removeprefix(f"{__name__}.")
        spec = importlib.util.find_spec(name)
        if spec is None or not isinstance(spec.loader, importlib.abc.InspectLoader):
            raise ImportError(f"no module {fullname}", name=fullname)
        return spec.loader.get_code(name)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


# In front of the finder of files, which would make a second module.
sys.meta_path.insert(0, _SecondNames())
