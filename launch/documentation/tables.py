"""Tables of reference, made of the code that they describe."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from absl import flags
from reproduction import paper

import rsf_jax as rsf
from documentation import commands
from rsf_jax.commands import usage
from rsf_jax.config import presets
from rsf_jax.config.fields import FIXED
from rsf_jax.config.networks import kind_of
from rsf_jax.policies import GRAMMAR, METRICS, POLICIES
from rsf_jax.policies.arguments import INNER, Argument, arguments_of

_GROUP = re.compile(r"    # (\w+)")
_FIELD = re.compile(r"    (\w+): \w+ = setting\(")
# Of each kind of preset that the paper does not have, one.
_OTHERS = (
    *("quickstart", "quickstart_s3f3", "quickstart_clstm", "quickstart_ff6", "quickstart_mixed3"),
    *("quickstart_ponder6", "easy72_act6"),
    *("quickstart_deq", "quickstart_streamdeq"),
    *("easy64_s6f1", "easy72_s6f1", "hard40_s6f2", "hard_mixed8"),
    *(
        "quickstart_live",
        "easy72_live",
        "hard72_live",
        "own_s3f1",
        "own_live_s3f1",
        "own_s3f3_dru",
        "camvid_s3f3_dru",
    ),
    *("pathfinder14_c_rbp_n20", "pathfinder_small3_c_rbp_n12"),
    *("maze_quickstart", "mazes_static12_c_rbp_n12", "mazes_temporal12_s8f2"),
    *("mazes_temporal12_live", "mazes_hard12_live"),
)


def settings() -> str:
    """Returns tables of all settings, grouped as their declaration is."""
    fields = {field.name: field for field in dataclasses.fields(rsf.Config)}
    lines: list[str] = []
    for title, names in setting_groups().items():
        rows = [_setting(fields[name]) for name in names]
        lines += [f"## {title}", "", *_table(("setting", "meaning"), rows)]
    return "\n".join(lines)


def setting_groups() -> dict[str, list[str]]:
    """Returns the names of settings by the comments above them."""
    groups: dict[str, list[str]] = {"Name": []}
    title = "Name"
    for line in inspect.getsource(rsf.Config).splitlines():
        if match := _GROUP.fullmatch(line):
            title = match[1]
        elif match := _FIELD.match(line):
            groups.setdefault(title, []).append(match[1])
    return groups


def _setting(field: dataclasses.Field) -> tuple[str, str]:
    known = field.metadata
    allowed = ", ".join(f"`{choice}`" for choice in known["choices"]) or str(known["bounds"])
    notes = [known["comment"] + "."]
    notes += [
        f"Default `{str(field.default).lower()}`." if field.default != "" else "Default: none."
    ]
    notes += [f"Allowed: {allowed}."] if allowed else []
    marks = [mark for mark in ("weights", "of_dataset") if known[mark]]
    marks += [known["resume"]] if known["resume"] != FIXED else []
    notes += [f"**{mark.replace('of_dataset', 'of the dataset')}**" for mark in marks]
    return f"`{field.name}`", " ".join(notes)


def preset_names() -> str:
    """Returns the grammar of presets, and what some of them stand for."""
    forms = [f"- {_as_code(form)}" for form in presets.GRAMMAR.split("; ")]
    ours = [_preset(name) for name in _OTHERS]
    header = (
        "preset",
        "dataset",
        "model",
        "channels",
        "kernel",
        "schedule",
        "trained for",
        "batch",
    )
    papers = [_preset(name) for name in paper.presets()]
    lines = ["## Grammar", "", *forms, "", "## Some of them", "", *_table(header, ours)]
    return "\n".join([*lines, "## The paper's", "", *_table(header, papers)])


def _as_code(form: str) -> str:
    """A form of the grammar with its names as code."""
    return re.sub(
        r"(?<![\w`])([\w.]*[{\[_][^ ,()]*[^ ,.:()]|quickstart)(?=[ ,.:)]|$)", r"`\1`", form
    )


def _preset(name: str) -> tuple[str, ...]:
    config = rsf.get_config(name)
    side = str(config.kernel_size)
    fields = {field.name for field in dataclasses.fields(kind_of(config.model).module)}
    return (
        *(f"`{name}`", config.dataset, config.model, str(config.channels)),
        *(f"{side}x{side}" if "kernel_size" in fields else "", _steps(config), _length(config)),
        str(config.batch_size),
    )


def _steps(config: rsf.Config) -> str:
    if config.schedules:
        return config.schedules.replace(",", " ")
    return f"s{config.slow_steps}f{config.fast_steps}"


def _length(config: rsf.Config) -> str:
    if config.updates:
        text = f"{config.updates:,} updates"
    else:
        text = f"{config.epochs} epoch{'s' if config.epochs > 1 else ''}"
    streams = f", streams of up to {config.stream_frames} frames"
    return text + (streams if config.chunk_frames else "")


def policy_texts() -> str:
    """Returns the grammar of policies, their kinds and the metrics of halting."""
    # What has one of these signs is to be typed.
    typed = re.compile(r"(?<!\S)(\S*[:={+]\S*?|s\df\d)(?=[,;]?(?:\s|$))")
    forms = [f"- {form}" for form in re.split(r"; (?:or )?", typed.sub(r"`\1`", GRAMMAR))]
    lines = ["## Grammar", "", *forms, "", "## Kinds", ""]
    header = ("kind", "class", "what it does", "arguments, in order")
    lines += _table(header, [_policy(kind, POLICIES[kind]) for kind in POLICIES])
    lines += ["## Metrics of halting", "", "How far two hidden states are apart.", ""]
    rows = [(f"`{name}`", _summary(function)) for name, function in METRICS.items()]
    return "\n".join([*lines, *_table(("metric", "distance"), rows)])


def _policy(kind: str, maker: Callable) -> tuple[str, ...]:
    taken = [_argument(a) for a in arguments_of(maker) if a.name != INNER]
    return f"`{kind}`", f"`{maker.__name__}`", _summary(maker), ", ".join(taken)


def _argument(argument: Argument) -> str:
    if argument.required:
        return f"`{argument.name}`"
    plain = isinstance(argument.default, bool | int | float | str)
    return f"`{argument.name}={argument.default}`" if plain else f"`{argument.name}`, optional"


def command_flags() -> str:
    """Returns every command with its flags."""
    which, _ = commands.of_all()
    lines = ["## Flags of every command", "", *_flags(which)]
    for command in commands.all_commands().values():
        lines += [f"## {command.name}", "", *_prose(command.doc), ""]
        lines += ["*Installed.*", ""] if command.installed else []
        lines += _flags(command.own)
    return "\n".join(lines)


def _flags(of: Sequence[flags.Flag]) -> list[str]:
    if not of:
        return ["No flags of its own.", ""]
    # A list and no table: flags are long, and phones narrow. Two spaces end a line.
    return [*(f"- `{usage.written(flag)}`  \n    {_meaning(flag)}" for flag in of), ""]


def _meaning(flag: flags.Flag) -> str:
    """What a flag is for; grammars have pages of their own."""
    text = usage.meaning(flag).replace(GRAMMAR, "a [policy](policies.md)")
    text = text.replace(f"preset: {presets.GRAMMAR}", "a [preset](presets.md)")
    return text + usage.default(flag)


def _prose(doc: str) -> Iterator[str]:
    """A docstring with its calls as code."""
    calls: list[str] = []
    for line in [*doc.strip().splitlines(), ""]:
        if line.startswith("python "):
            calls.append(line)
            continue
        if calls:
            yield from ("", "```sh", *calls, "```", "")
            calls = []
        yield re.sub(r": (python launch/.+?)(?:(?<!\.)\.)?$", r": `\1`", line)


def _summary(thing: Callable) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table, with one that is empty after it."""
    marks = ["---"] * len(header)
    return [*(f"| {' | '.join(map(_cell, row))} |" for row in (header, marks, *rows)), ""]


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", r"\|").strip()


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "presets": preset_names,
    "policies": policy_texts,
    "commands": command_flags,
}
_MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def filled_in(text: str) -> str:
    """Returns a page with the tables that its marks `<!-- generated: NAME -->` stand for."""
    return _MARK.sub(lambda mark: TABLES[mark[1]](), text)
