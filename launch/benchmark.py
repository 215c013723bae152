"""Measures speed and memory: python launch/benchmark.py --config=hard_s8f8.

With --suite=training_memory, memory and time of gradients against the number of recurrent steps;
with --suite=reuse, feedforward networks that recompute only what has changed; with
--suite=streaming, many live videos on the trained model in --workdir.
"""

import re
from pathlib import Path

import launcher
from absl import flags
from benchmarks import plot, pytorch, reuse, streaming, suite, training_memory

import rsf_jax as rsf
from rsf_jax import policies
from rsf_jax.run_folder import writable_folder

flags.adopt_module_key_flags(launcher)

_SUITE = flags.DEFINE_enum(
    "suite", "speed", ["speed", "training_memory", "reuse", "streaming"], "what to measure"
)
_STEPS = flags.DEFINE_list(
    "steps",
    [str(n) for n in training_memory.STEPS],
    "numbers of recurrent steps of --suite=training_memory",
)
_SECTIONS = flags.DEFINE_list("sections", list(suite.SECTIONS), "what to measure of speed")
_SCHEDULES = flags.DEFINE_list(
    "schedules", ["s8f8", "s8f2", "s6f1"], "schedules of videos and streams"
)
_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "8"], "images processed together")
_SIDE = flags.DEFINE_integer("side", 128, "frame height and width in pixels", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 8, "frames of a video", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 2.0, "time spent on each case", lower_bound=0)
_TORCH = flags.DEFINE_boolean(
    "torch", True, "compare with PyTorch where it is installed, hgru alone"
)
_NETWORKS = flags.DEFINE_list("networks", list(reuse.NETWORKS), "networks of --suite=reuse")
_PRESETS = flags.DEFINE_list(
    "presets",
    list(reuse.CONTOURS),
    "feedforward presets of --suite=reuse, on their test videos",
)
_SIZES = flags.DEFINE_list(
    "sizes", [f"{h}x{w}" for h, w in reuse.SIZES], "HEIGHTxWIDTH of the clips of --suite=reuse"
)
_SHARES = flags.DEFINE_list(
    "shares", list(map(str, reuse.SHARES)), "shares of their pixels that change"
)
_METHODS = flags.DEFINE_list("methods", ["region"], "methods of reuse")
_NOISE = flags.DEFINE_boolean(
    "noise", True, "measure calibrated truncation in front of a noisy camera, too"
)
_CLIP = flags.DEFINE_string("clip", None, "folder of images: a video for the networks of reuse")

_POLICY = flags.DEFINE_string(
    "policy", "pattern:rtol=0.1:12", f"of --suite=streaming: {policies.GRAMMAR}"
)
_SLOTS = flags.DEFINE_integer("slots", 8, "frames computed together", lower_bound=1)
_STREAMS = flags.DEFINE_integer("streams", 64, "streams that send frames", lower_bound=1)
_MANY = flags.DEFINE_integer("many", 1000, "streams of the test with many", lower_bound=1)
_LOADS = flags.DEFINE_list(
    "loads", list(map(str, streaming.LOADS)), "arrivals over throughput, each for --seconds"
)


def main() -> None:
    for flag in (_STEPS, _SECTIONS, _SCHEDULES, _BATCH_SIZES, _LOADS):
        if not flag.value:
            raise rsf.InputError(f"--{flag.name} is empty: give a value, or leave it out")
    if _SUITE.value == "streaming":
        _measure_streaming()
        return
    config = rsf.get_config(launcher.CONFIG.value or "hard_s8f8").replace(**launcher.overrides())
    measure = {
        "training_memory": _measure_training_memory,
        "reuse": _measure_reuse,
        "speed": _measure_speed,
    }
    measure[_SUITE.value](config)


def _measure_reuse(_: rsf.Config) -> None:
    known = {"networks": (_NETWORKS, reuse.NETWORKS), "methods": (_METHODS, reuse.METHODS)}
    for name, (flag, allowed) in known.items():
        for value in flag.value:
            if value not in allowed:
                raise rsf.InputError(f"--{name}={value}: choose among {', '.join(allowed)}")
    sizes = list(map(_size, _SIZES.value))
    shares = [_share("share", text) for text in _SHARES.value]
    folder = writable_folder(launcher.workdir("runs/benchmark"))
    print(" ".join(f"{name}={value}" for name, value in suite.machine().items()), flush=True)
    rows: list[reuse.Row] = []
    for found in reuse.run(
        networks=_NETWORKS.value,
        sizes=sizes,
        shares=shares,
        presets=_PRESETS.value,
        methods=_METHODS.value,
        folder=None if _CLIP.value is None else Path(_CLIP.value),
        noise=_NOISE.value,
        seconds=_SECONDS.value,
    ):
        rows += found
        reuse.save(folder, rows)  # what has been measured is not lost
    plot.save_reuse(folder / "reuse.png", rows)
    print(f"Figures are in {reuse.save(folder, rows)}")


def _measure_streaming() -> None:
    settings = streaming.Settings(
        rsf.parse_policy(_POLICY.value),
        _SLOTS.value,
        _STREAMS.value,
        _MANY.value,
        tuple(_share("load", text) for text in _LOADS.value),
        _SECONDS.value,
    )
    trained, workdir = launcher.open_trained()
    report = streaming.run(trained, settings)
    streaming.print_report(report)
    plot.save_latency(workdir / "streaming.png", report.latency)
    print(f"Figures are in {streaming.save(workdir, settings, report)}")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None or min(map(int, match.groups())) < 64:
        raise rsf.InputError(f"size {text!r} is no HEIGHTxWIDTH of at least 64 pixels, as 360x480")
    return int(match[1]), int(match[2])


def _share(name: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise rsf.InputError(f"{name} {text!r} must be a number above 0, at most 1")
    return share


def _measure_training_memory(config: rsf.Config) -> None:
    steps = [_count("number of steps", text) for text in _STEPS.value]
    folder = writable_folder(launcher.workdir("runs/benchmark"))
    launcher.print_header(config)
    rows = training_memory.run(config, steps=steps, side=_SIDE.value)
    plot.save_training_memory(folder / "training_memory.png", rows)
    print(f"Figures are in {training_memory.save(folder, config, rows)}")


def _measure_speed(config: rsf.Config) -> None:
    settings = suite.Settings(
        config,
        tuple(map(_schedule, _SCHEDULES.value)),
        tuple(_count("batch size", text) for text in _BATCH_SIZES.value),
        _SIDE.value,
        _FRAMES.value,
        _SECONDS.value,
        tuple(map(_section, _SECTIONS.value)),
        _TORCH.value and pytorch.is_installed() and config.model == "hgru",
    )
    folder = writable_folder(launcher.workdir("runs/benchmark"))
    launcher.print_header(config)
    print(" ".join(f"{name}={value}" for name, value in suite.machine().items()), flush=True)
    rows = suite.run(settings)
    print(f"Figures are in {suite.save(folder, settings, rows)}")
    if "growth" in settings.sections:
        plot.save_growth(folder / "growth.png", rows)


def _count(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise rsf.InputError(f"{name} {text!r} must be a whole number of at least 1")
    return int(text)


def _schedule(text: str) -> rsf.FixedSchedule:
    policy = rsf.parse_policy(text)
    if not isinstance(policy, rsf.FixedSchedule):
        raise rsf.InputError(f"policy {text!r} is no schedule: speeds are those of s{{S}}f{{F}}")
    return policy


def _section(name: str) -> str:
    if name not in suite.SECTIONS:
        allowed = ", ".join(suite.SECTIONS)
        raise rsf.InputError(f"section {name!r} is unknown: choose among {allowed}")
    return name


if __name__ == "__main__":
    launcher.run(main)
