"""Prints what models cost, without running them: python launch/describe.py --config=hard_s8f8."""

import json

import launcher
from absl import flags
from rich.console import Console
from rich.table import Table

import rsf_jax as rsf
from rsf_jax.cost import cost
from rsf_jax.presets import PAPER

flags.adopt_module_key_flags(launcher)

_SIZE = flags.DEFINE_string("frame_size", "128x128", "HEIGHTxWIDTH of a frame in pixels")
_FRAMES = flags.DEFINE_integer(
    "frames",
    None,
    "frames of a video; 6 for easy, 2 for CamVid, 8 otherwise, unless given",
    lower_bound=1,
)
_JSON = flags.DEFINE_boolean("json", False, "print JSON in place of a table")


def main() -> None:
    names = [launcher.CONFIG.value] if launcher.CONFIG.value else PAPER
    configs = [rsf.get_config(name).replace(**launcher.overrides()) for name in names]
    size = launcher.frame_size(_SIZE.value)
    costs = {config.name: cost(config, size, _frames(config)) for config in configs}
    if _JSON.value:
        print(json.dumps({name: vars(c) for name, c in costs.items()}, indent=1))
        return
    table = Table(title=f"Multiply-adds of {_SIZE.value} pixels, direct convolutions")
    table.add_column("preset", no_wrap=True)
    for title in ("parameters", "a step", "frame besides", "frames", "a video"):
        table.add_column(title, justify="right")
    for config in configs:
        c = costs[config.name]
        sizes = (f"{n / 1e9:.3f} G" for n in (c.per_step, c.per_frame))
        row = (config.name, f"{c.parameters:,}", *sizes, str(_frames(config)))
        table.add_row(*row, f"{c.per_video / 1e9:.3g} G")
    Console().print(table)


# What has not eight frames in a video.
_FRAMES_OF = {f"t_pathfinder/{name}": 6 for name in ("easy", "easy64", "easy72", "easyv1")} | {
    "t_pathfinder/quickstart": 5,
    "camvid/pairs": 2,
}


def _frames(config: rsf.Config) -> int:
    if _FRAMES.value:
        return _FRAMES.value
    return _FRAMES_OF.get(config.dataset, 8)


if __name__ == "__main__":
    launcher.run(main)
