"""Times the recurrent U-Net by XLA's convolutions, by oneDNN's, and in PyTorch, in turns.

python launch/benchmark_unet.py --config=camvid_s3f1_dru --sides=360,480
"""

from absl import flags
from benchmarks import unet, values

import rsf_jax as rsf
from rsf_jax.commands import devices, opening, program, shared
from rsf_jax.console import table_console
from rsf_jax.run_folder import writable_folder

_SIDES = flags.DEFINE_list("sides", ["360", "480"], "height and width of frames in pixels")
_BATCH = flags.DEFINE_integer("batch", 2, "videos of an update", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 2, "frames of a video", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 10.0, "time spent on each case", lower_bound=0)


def main() -> None:
    config = rsf.get_config(shared.CONFIG.value or "camvid_s3f1_dru").replace(**shared.overrides())
    if config.model != "dru":
        raise rsf.InputError(f"{config.name} is no recurrent U-Net: give --config=camvid_s3f1_dru")
    sides = [values.count("side", text) for text in values.filled("sides", _SIDES.value)]
    if len(sides) != 2:
        raise rsf.InputError(f"--sides={','.join(_SIDES.value)}: give height and width")
    folder = writable_folder(opening.workdir("runs/benchmark"))
    devices.print_header(config)
    settings = unet.Settings(
        config, (sides[0], sides[1]), _BATCH.value, _FRAMES.value, _SECONDS.value
    )
    rows = unet.run(settings)
    table_console().print(unet.table(rows))
    print(f"Figures are in {unet.save(folder, settings, rows)}")


if __name__ == "__main__":
    program.run(main)
