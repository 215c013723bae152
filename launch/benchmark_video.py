"""Measures a live video against a file of the same content, and the memory that one takes.

python launch/benchmark_video.py --pretrained=quickstart_live16
"""

from absl import flags
from benchmarks import video

from rsf_jax.commands import choices, opening, program

_POLICY = choices.policy()
_SIZES = flags.DEFINE_list(
    "sizes", ["1080x1920", "2160x3840"], "HEIGHTxWIDTH of the videos, in pixels"
)
_SECONDS = flags.DEFINE_float("seconds", 10.0, "length of each", lower_bound=0.5)
_RATE = flags.DEFINE_integer("rate", 25, "frames per second", lower_bound=1)


def main() -> None:
    sizes = [video.size_of(text) for text in _SIZES.value]
    _, folder = opening.open_trained()
    settings = video.Settings(str(folder), _POLICY.value, _SECONDS.value, _RATE.value)
    found = [video.measure(size, settings) for size in sizes]
    video.print_found(found)
    print(f"Figures are in {video.save(folder, found, settings)}")


if __name__ == "__main__":
    program.run(main)
