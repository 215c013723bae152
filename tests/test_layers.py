"""The layers of the library: imports run down, and tests use what is public."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
# From the ground up; a module or a package stands for all that is in it.
LAYERS = {
    "ground": "cores errors typing paths arguments naming json_files lazy run_folder extras shown "
    "version console",
    "operations": "ops",
    "recurrence": "cells policies gradients",
    "models": "models unroll checks shadow",
    "engines": "streaming reuse",
    "measures": "measures",
    "configuration": "config",
    "data": "data datasets parallel",
    "scoring": "scoring",
    "weights": "interop weights trained pretrained",
    "training": "training",
    "evaluation": "evaluation figures experiment",
    "tools": "calibration analysis media programs",
    "servers": "serving",
    "commands": "commands __main__",
}
LAYER_OF = {
    module: place for place, modules in enumerate(LAYERS.values()) for module in modules.split()
}


def _imported(path):
    """The modules of the library that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _parts(path):
    """The parts of the library that a file imports from."""
    names = (name.split(".") for name in _imported(path))
    return {n[1] for n in names if n[0] == "rsf_jax" and len(n) > 1 and n[1] in LAYER_OF}


MODULES = sorted((ROOT / "rsf_jax").rglob("*.py"))


def _top(path):
    return path.relative_to(ROOT / "rsf_jax").parts[0].removesuffix(".py")


def test_every_module_has_a_layer():
    assert {_top(path) for path in MODULES} - {"__init__"} == LAYER_OF.keys()


def test_no_import_runs_up():
    up = [
        f"{path.relative_to(ROOT)} imports {part}, which is above it"
        for path in MODULES
        for part in _parts(path)
        if LAYER_OF[part] > LAYER_OF.get(_top(path), len(LAYERS))  # the root hands out all
    ]
    assert not up


def test_the_library_needs_neither_launchers_nor_builders():
    outside = {path.name for path in (ROOT / "datasets").iterdir()} | {"datasets"}
    outside |= {path.stem for path in (ROOT / "launch").iterdir()}
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in MODULES
        for name in _imported(path)
        if name.split(".")[0] in outside
    }
    assert not found


def _texts(path):
    """The strings of a file that are no docstrings."""
    tree = ast.parse(path.read_text())
    bodies = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    docstrings = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            yield node.value


def test_messages_of_the_library_name_no_flags():
    """A program that uses it has none: commands translate settings and arguments."""
    found = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in MODULES
        if LAYER_OF.get(_top(path)) != LAYER_OF["commands"]
        for text in _texts(path)
        if re.search(r"--[a-z]\w+|launch/\w", text)
        if not text.startswith("--xla")
    }
    assert not found


def test_builders_need_nothing_of_the_library():
    builders = sorted((ROOT / "datasets").rglob("*.py"))
    assert not [
        path for path in builders for name in _imported(path) if name.split(".")[0] == "rsf_jax"
    ]


# Private names that tests use nevertheless.
REACHES = {"tests/torch_files.py: pickle._Pickler"}  # Python's own; the one in C cannot be taught


def _is_private(name):
    return name.startswith("_") and not name.startswith("__")


def _reaches(text):
    """What a program uses of others' private names: attributes, imports, names given as texts."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            if ast.unparse(node.value) not in ("self", "cls", "super()"):
                yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in names if any(map(_is_private, name.split("."))))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            yield from (t for t in map(str, texts) if _is_private(t.rpartition(".")[2]))


def test_a_reach_into_private_names_is_found():
    text = """
from rsf_jax.ops import _hidden
from rsf_jax._hidden import seen
class Mine:
    def mine(self): return self._mine
unroll._run(engine._program.store)
monkeypatch.setattr("rsf_jax.unroll._run", None)
patch.setattr(unroll, "_other", None)
value.attribute.__name__
"""
    assert sorted(_reaches(text)) == [
        *("_other", "engine._program", "rsf_jax._hidden.seen", "rsf_jax.ops._hidden"),
        *("rsf_jax.unroll._run", "unroll._run"),
    ]


def test_tests_need_no_private_names():
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for name in _reaches(path.read_text())
    }
    assert found == REACHES
