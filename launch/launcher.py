"""What the launchers share: flags, the configuration they resolve to, and readable errors."""

import dataclasses
import logging
import os
import re
import signal
import sys
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import parsing
from absl import app, flags
from absl import logging as absl_logging

import rsf_jax as rsf
from rsf_jax.config import presets
from rsf_jax.config.config import MODEL_FIELDS
from rsf_jax.config.registry import load_cells
from rsf_jax.trained.model import Trained
from rsf_jax.training.imports import import_pretrained
from rsf_jax.training.loading import load_trained
from rsf_jax.training.stop import received_signal

PREFIX = "config."
UNFINISHED = 75  # exit code of what is to be called again; EX_TEMPFAIL of sysexits.h

CONFIG = flags.DEFINE_string(
    "config",
    None,
    f"preset: {presets.GRAMMAR}",
)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "folder for checkpoints and results; runs/PRESET unless given"
)
PRETRAINED = flags.DEFINE_string(
    "pretrained",
    None,
    f"use a trained model that comes with the library ({', '.join(rsf.pretrained_names())}) or a "
    "card of one (a file of JSON); what is made with it goes to --workdir, or runs/pretrained/NAME",
)
CELLS = flags.DEFINE_string(
    "cells",
    None,
    "Python file that registers cells, networks, policies or halting metrics of your own "
    "(rsf.register_cell, rsf.register_network, rsf.register_policy, rsf.register_metric)",
)


def _define_config_flags() -> None:
    """One flag `--config.FIELD` for every field of a configuration, unset unless given."""
    define: dict[Any, Callable] = {
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_boolean,
        str: flags.DEFINE_string,
    }
    for field in dataclasses.fields(rsf.Config):
        name, comment = PREFIX + field.name, f"{field.metadata['comment']}{_default(field)}"
        if field.name == "name":
            continue
        if field.metadata["choices"]:
            flags.DEFINE_enum(name, None, field.metadata["choices"], comment)
        else:
            define[field.type](name, None, comment)


def _default(field: dataclasses.Field) -> str:
    """What a setting is unless the preset says otherwise."""
    return "" if field.default == "" else f" [{str(field.default).lower()}]"


_define_config_flags()


def overrides() -> dict[str, object]:
    """Returns the fields that were given as flags."""
    names = [f.name for f in dataclasses.fields(rsf.Config) if f.name != "name"]
    given = {name: flags.FLAGS[PREFIX + name].value for name in names}
    return {name: value for name, value in given.items() if value is not None}


def refuse_settings() -> None:
    """Settings that would do nothing are a mistake."""
    if given := overrides():
        raise rsf.InputError(f"--config.{min(given)} is not used here: leave it out")


def model_settings() -> dict[str, object]:
    """Returns what `--config`, if given, says of the model: a checkpoint must agree with it."""
    if not CONFIG.value:
        return {}
    preset = rsf.get_config(CONFIG.value)
    return {name: getattr(preset, name) for name in MODEL_FIELDS}


def frame_size(text: str) -> tuple[int, int]:
    """Returns (height, width) in pixels of the value of a flag, such as 360x480."""
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise rsf.InputError(f"frame_size {text!r} is no HEIGHTxWIDTH in pixels, as 360x480")
    return int(match[1]), int(match[2])


def workdir(default: str | None = None) -> Path:
    """Returns the folder given as a flag, or `default`, or the preset's.

    Args:
        default: of a launcher that needs no trained model.
    """
    if PRETRAINED.value:
        if default:
            raise rsf.InputError("--pretrained is not used here: no trained model is needed")
        name = PRETRAINED.value
        folder = WORKDIR.value or Path("runs", "pretrained", Path(name).stem)
        return import_pretrained(name, Path(folder))
    given = WORKDIR.value or default
    if given:
        return Path(given)
    if CONFIG.value:
        return Path("runs", CONFIG.value)
    raise rsf.InputError(
        "give --config=PRESET, --workdir=FOLDER of a trained model, or --pretrained=NAME"
    )


def open_trained(update: int | None = None) -> tuple[Trained, Path]:
    """Loads the model that the flags name, and says what it is.

    Args:
        update: number of updates of the checkpoint; None for the best one.

    Returns:
        The model, and the folder for what is made with it.
    """
    folder = workdir()
    trained = load_trained(folder, model_settings() | overrides(), update)
    print_header(trained.config)
    return trained, folder


def use_cpu_cores(batch_size: int) -> None:
    """Lets a machine without accelerator share batches between its cores.

    Much of a small network runs on one core; as so many JAX devices the others work too. The
    number divides the batch, so that nothing is padded. Accelerators are not affected.
    """
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = max(n for n in range(1, (cores or 1) + 1) if batch_size % n == 0)
    try:
        jax.config.update("jax_num_cpu_devices", count)
    except RuntimeError:
        if not CELLS.value:
            raise
        print(
            f"JAX was started by {CELLS.value} before its devices were chosen: CPU cores will not "
            "share batches. To have them do so, make no arrays outside classes and functions there"
        )


def use_wide_vectors() -> None:
    """Lets XLA use a CPU's widest vectors, where XLA_FLAGS does not say otherwise.

    Its default of 256 bits leaves half of a processor with AVX-512 idle; others are not affected.
    """
    given = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_prefer_vector_width" not in given:
        os.environ["XLA_FLAGS"] = f"{given} --xla_cpu_prefer_vector_width=512".strip()


def print_header(config: rsf.Config) -> None:
    """Prints the devices and every setting that is not the default, which `--help` shows."""
    devices = jax.local_devices()
    print(
        f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform}), JAX {jax.__version__}"
    )
    usual = dataclasses.asdict(rsf.Config())
    settings = dataclasses.asdict(config)
    told = [f"{name}={value}" for name, value in settings.items() if value != usual[name]]
    told = [f"name={config.name}", *(text for text in told if not text.startswith("name="))]
    lines = textwrap.wrap(" ".join(told), 100, break_long_words=False, break_on_hyphens=False)
    print("\n".join(lines), flush=True)


def end(finished: bool) -> None:
    """Ends a launcher whose work may be unfinished, so that a shell can tell.

    By the signal that has ended the run, if one has: a loop in a shell then ends, too. Else with
    exit code 75, which stands for "try again".
    """
    if finished:
        return
    number = received_signal()
    if number is None:
        sys.exit(UNFINISHED)
    _end_by(number)


def _end_by(number: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def run(main: Callable[[], None]) -> None:
    """Runs a launcher.

    A user's mistake ends it with one line and exit code 1, Ctrl-C by that signal.
    """

    def guarded(argv: list[str]) -> None:
        # Orbax and absl tell of every file they touch; TensorFlow is never imported.
        absl_logging.set_verbosity(absl_logging.ERROR)
        logging.getLogger("jax").setLevel(logging.ERROR)
        use_wide_vectors()
        try:
            if len(argv) > 1:
                raise rsf.InputError(_unknown_argument(argv[1]))
            if CELLS.value:
                load_cells(CELLS.value)
            main()
        except rsf.InputError as error:
            print(f"error: {with_flags(str(error))}", file=sys.stderr)
            sys.exit(1)
        except (AssertionError, RuntimeError) as error:
            if not _is_of_devices(error):
                raise
            wanted = os.environ.get("JAX_PLATFORMS", "")
            print(
                f"error: JAX finds no device of JAX_PLATFORMS={wanted}: leave that out, or install "
                "JAX's build for it",
                file=sys.stderr,
            )
            sys.exit(1)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            _end_by(signal.SIGINT)

    app.run(guarded, flags_parser=parsing.parse)


def with_flags(message: str) -> str:
    """Returns what the library says of settings and arguments, in flags."""

    def flag(match: re.Match) -> str:
        return f"--{match[0]}" if match[0] in flags.FLAGS else match[0]

    message = re.sub(r"(?<![\w.-])config\.[a-z_]+", flag, message)
    message = re.sub(r"(rsf\.register_\w+)(?!.*rsf\.register_)", r"\1 in --cells=FILE", message)
    message = message.replace("those that are registered", "those that --cells=FILE registers")
    return re.sub(r"(?<=give )[a-z]+_[a-z_]+\b", flag, message)


def _is_of_devices(error: BaseException) -> bool:
    """Whether JAX has failed to start a device; how, depends on its version."""
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return Path(frames[-1]).name == "xla_bridge.py"


def _unknown_argument(argument: str) -> str:
    hint = parsing.suggestion(argument) or "; flags are written --NAME=VALUE"
    return f"{argument!r} is not a flag{hint}"
