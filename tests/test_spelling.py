"""American spelling in code, messages and pages."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BRITISH = re.compile(
    r"colour|\bgrey|(?<!pas)centre(?!\w*al)|neighbour|behaviour|favour|labelled|modelling|cancell"
    r"|catalogue|learnt|(normal|initial|optim|quant|organ|recogn|visual|general|minim|maxim|summar"
    r"|serial|synchron|material|real)is(e|ed|es|ing|ation)\b",
    re.IGNORECASE,
)
# Names that others have given, or that data on disk have.
_STAY = {
    "task.cancelled()",  # Python's
    '"unlabelled"',  # folders of CamVid, and metadata of built datasets
    "`unlabelled`",
    '"colour"',  # a misspelled setting of a test
}
_NOT_READ = {"tests/test_spelling.py"}


def _files():
    """Those of the repository; all that are there where it is none."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    names = done.stdout.split("\n") if done.returncode == 0 else []
    paths = [ROOT / name for name in names] or list(ROOT.rglob("*.*"))
    return [
        p for p in paths if p.suffix in (".py", ".md", ".toml", ".jinja", ".cff") and p.exists()
    ]


def test_words_are_spelled_as_in_america():
    found = {
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in _files()
        if path.relative_to(ROOT).as_posix() not in _NOT_READ
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in _BRITISH.finditer(_without_names(line))
    }
    assert not found


def _without_names(line):
    for name in _STAY:
        line = line.replace(name, "")
    return line
