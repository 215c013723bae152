"""What `--help` prints: a command's own flags first, then those of all."""

import re
import shutil
import textwrap
from collections.abc import Iterator

from absl import flags

from rsf_jax.commands import shared

ASKED = {"-h", "-help", "--help", "-?", "--helpshort", "-helpshort"}
_INDENT = 4


def text(doc: str, module: str) -> str:
    """Returns the help of a command.

    Args:
        doc: what it does.
        module: name of the module that defines its own flags.
    """
    own = flags.FLAGS.get_flags_for_module(module)
    of_all = flags.FLAGS.get_flags_for_module(shared.__name__)
    settings = [flag for flag in of_all if flag.name.startswith(shared.PREFIX)]
    others = [flag for flag in of_all if flag not in settings]
    groups = (
        ("Its own flags", own),
        ("Which model and folder", others),
        ("Settings; what the preset says unless given", settings),
    )
    return "\n".join([doc.strip(), *(line for title, of in groups for line in _group(title, of))])


def _group(title: str, of: list[flags.Flag]) -> Iterator[str]:
    if not of:
        return
    width = min(shutil.get_terminal_size().columns, 100)
    yield f"\n{title}:"
    for flag in of:
        yield f"  {written(flag)}"
        # A grammar has no spaces to break it at.
        yield textwrap.fill(
            f"{meaning(flag)}{default(flag)}",
            width,
            initial_indent=" " * _INDENT,
            subsequent_indent=" " * _INDENT,
            break_on_hyphens=False,
        )


def written(flag: flags.Flag) -> str:
    """Returns a flag as it is typed."""
    if flag.boolean:
        return f"--[no]{flag.name}"
    choices = getattr(flag.parser, "enum_values", None)
    if choices:
        return f"--{flag.name}={'|'.join(choices)}"
    kinds = {"int": "N", "float": "X", "comma separated list of strings": "A,B,..."}
    return f"--{flag.name}={kinds.get(flag.flag_type(), 'TEXT')}"


def meaning(flag: flags.Flag) -> str:
    """Returns what a flag is for; absl puts the choices in front."""
    return re.sub(r"^<\S+?>: ", "", flag.help)


def default(flag: flags.Flag) -> str:
    """Returns what a flag is unless given, in brackets; settings say it themselves."""
    if flag.default is None or flag.default == "" or flag.default == []:
        return ""
    shown = ",".join(flag.default) if isinstance(flag.default, list) else str(flag.default)
    return f" [{shown.lower() if flag.boolean else shown}]"
