"""Draws what records say of halting on equal terms, and of mazes.

python launch/draw_halting.py --folder=docs/images
"""

from pathlib import Path

from absl import flags
from reproduction import halting_picture

from rsf_jax.commands import program
from rsf_jax.paths import expand
from rsf_jax.run_folder import writable_folder

_RECORDS = flags.DEFINE_string("records", "docs/records", "folder of records")
_FOLDER = flags.DEFINE_string("folder", "docs/images", "where the pictures go")
_VIDEOS = flags.DEFINE_string(
    "videos", "mazes_temporal12_live-seed0", "record of the network whose steps are shown"
)
_POLICIES = flags.DEFINE_list(
    "policies",
    ["gate:0.001:0.3+pattern:rtol=0.07:48", "gate:0.001:0.3+readout:flips:0.003:48"],
    "rules that are shown",
)
# Networks that are tested on larger mazes, by the titles of their panels.
_IMAGES = {
    "4x4 cells, six steps on every image": "mazes_static4_bptt_n6-seed0",
    "7x7 cells, images that stay": "mazes_static7_live-seed0",
    "12x12 cells, images that stay": "mazes_static12_live-seed0",
}


def main() -> None:
    records = Path(expand(_RECORDS.value))
    folder = writable_folder(expand(_FOLDER.value))
    halting_picture.save_bought(folder / "halting.png", records)
    followed = records / "halting" / f"{_VIDEOS.value}.json"
    halting_picture.save_followed(folder / "followed.png", followed, _POLICIES.value)
    sizes = {title: records / "sizes" / f"{name}.json" for title, name in _IMAGES.items()}
    halting_picture.save_sizes(folder / "mazes.png", sizes)
    print(f"The pictures halting.png, followed.png and mazes.png are in {folder}")


if __name__ == "__main__":
    program.run(main)
