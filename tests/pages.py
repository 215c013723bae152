"""The pages that users read, and the programs in them."""

import ast
import importlib
import inspect
import re
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / name for name in ("WORKSPACE.md", "RESULTS.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "datasets").glob("*/*.md")),
]
_FENCE = re.compile(
    r"(?:<!-- not run: ([^>]+) -->\n+)?```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL
)
_INLINE = re.compile(r"(?<!`)`((?:python launch/\w+\.py|python -m rsf_jax|rsf) [^`]+)`")
# Nothing is run: every command prints itself, between what Bash makes of variables and loops.
_ECHO = """
PATH=/nowhere
command_not_found_handle() { printf '%s\\0' "$@"; printf '\\n'; }
cd() { :; }
function . { :; }
"""


def name(page):
    """A page's path from the root of the repository."""
    return str(page.relative_to(ROOT))


def blocks(text, language):
    """Blocks of code of a page, each with the reason for which it is not run, if there is one."""
    return [(code, why) for why, of, code in _FENCE.findall(text) if of == language]


def calls(text):
    """Every command of a page as a list of words: in blocks, and within the text."""
    found = [words for code, _ in blocks(text, "sh") for words in _words(code)]
    prose = _FENCE.sub("", text)
    found += [shlex.split(line) for line in _INLINE.findall(prose)]
    # A command that is handed to another one, as text.
    inner = [re.search(r"python launch/.*", word) for words in found for word in words]
    return found + [shlex.split(match[0]) for match in inner if match]


def _words(code):
    done = subprocess.run(
        ["/bin/bash", "--noprofile", "--norc", "-c", _ECHO + code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return [line.split("\0")[:-1] for line in done.stdout.splitlines() if line]


def wrong_names(code, known=()):
    """What a program takes from modules that is not there, and keywords that functions lack.

    Args:
        code: a program that is not run.
        known: names of things that it finds made, and of modules, which are not looked at.
    """
    tree = ast.parse(code)
    scope, wrong = {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in known:
                    continue
                scope[alias.asname or alias.name] = importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:
                scope[alias.asname or alias.name] = _attribute(module, alias.name)
    scope = {name: thing for name, thing in scope.items() if name not in known}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _resolved(node, scope) is _MISSING:
            wrong.append(ast.unparse(node))
        elif isinstance(node, ast.Call):
            called = _resolved(node.func, scope)
            wrong += [f"{ast.unparse(node.func)}({k.arg}=)" for k in _unknown(called, node)]
    return wrong + [name for name, thing in scope.items() if thing is _MISSING]


_MISSING, _UNKNOWN = object(), object()


def _attribute(thing, attribute):
    """What a module or class has; a submodule is imported."""
    found = getattr(thing, attribute, _MISSING)
    if found is _MISSING and inspect.ismodule(thing):
        try:
            return importlib.import_module(f"{thing.__name__}.{attribute}")
        except ModuleNotFoundError:
            return _MISSING
    return found


def _resolved(node, scope):
    """What an expression stands for: `_UNKNOWN` if only running it would tell."""
    if isinstance(node, ast.Name):
        return scope.get(node.id, _UNKNOWN)
    if not isinstance(node, ast.Attribute):
        return _UNKNOWN
    owner = _resolved(node.value, scope)
    if inspect.ismodule(owner) or inspect.isclass(owner):
        return _attribute(owner, node.attr)
    return _UNKNOWN


def _unknown(called, node):
    """Keywords of a call that the function does not take."""
    if called in (_UNKNOWN, _MISSING) or not callable(called):
        return []
    try:
        parameters = inspect.signature(called).parameters.values()
    except ValueError:
        return []
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return []
    taken = {p.name for p in parameters}
    return [keyword for keyword in node.keywords if keyword.arg and keyword.arg not in taken]
