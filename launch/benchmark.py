"""Measures how fast steps and videos are: python launch/benchmark.py --config=hard_s8f8."""

from absl import flags
from benchmarks import plot, pytorch, record, suite, values

import rsf_jax as rsf
from rsf_jax.commands import devices, opening, program, shared
from rsf_jax.run_folder import writable_folder

_SUITES = {"usual": suite.USUAL, "accelerator": suite.ACCELERATOR}
_SUITE = flags.DEFINE_enum(
    "suite",
    "usual",
    list(_SUITES),
    "what to measure, unless --sections says; accelerator: what a new GPU or TPU is asked first, "
    "in under eight minutes",
)
_SECTIONS = flags.DEFINE_list("sections", None, f"what to measure: {', '.join(suite.SECTIONS)}")
_SCHEDULES = flags.DEFINE_list("schedules", ["s8f8", "s8f2", "s6f1"], "of videos and streams")
_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "8"], "images processed together")
_SIDE = flags.DEFINE_integer("side", 128, "frame height and width in pixels", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 8, "frames of a video", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 2.0, "time spent on each case", lower_bound=0)
_TORCH = flags.DEFINE_boolean(
    "torch", True, "compare with PyTorch where it is installed, hgru alone"
)


def main() -> None:
    config = rsf.get_config(shared.CONFIG.value or "hard_s8f8").replace(**shared.overrides())
    settings = suite.Settings(
        config,
        tuple(map(values.schedule, values.filled("schedules", _SCHEDULES.value))),
        tuple(
            values.count("batch size", text)
            for text in values.filled("batch_sizes", _BATCH_SIZES.value)
        ),
        _SIDE.value,
        _FRAMES.value,
        _SECONDS.value,
        _sections(),
        _TORCH.value and pytorch.is_installed() and config.model == "hgru",
    )
    folder = writable_folder(opening.workdir("runs/benchmark"))
    devices.print_header(config)
    record.print_machine()
    rows = suite.run(settings)
    print(f"Figures are in {suite.save(folder, settings, rows)}")
    if "growth" in settings.sections:
        plot.save_growth(folder / "growth.png", rows)


def _sections() -> tuple[str, ...]:
    if _SECTIONS.value is None:
        return _SUITES[_SUITE.value]
    return tuple(
        values.among("sections", values.filled("sections", _SECTIONS.value), suite.SECTIONS)
    )


if __name__ == "__main__":
    program.run(main)
