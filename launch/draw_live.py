"""Draws a live stream with the steps of each frame, and what steps buy, from records.

python launch/draw_live.py --pretrained=quickstart_live16 --picture=docs/images/live.png
"""

from pathlib import Path

from absl import flags
from reproduction.live_picture import save_picture

from rsf_jax.commands import opening, program
from rsf_jax.paths import expand

_RECORDS = flags.DEFINE_string("records", "docs/records", "folder of records")
_RECORD = flags.DEFINE_string("record", "quickstart_live16-seed0", "the record of the model")
_POLICY = flags.DEFINE_string(
    "policy", "gate:0.0023:0.046+pattern:rtol=0.15:12:min_first_steps=3", "of the stream"
)
_PICTURE = flags.DEFINE_string("picture", "docs/images/live.png", "the picture to write")


def main() -> None:
    trained, _ = opening.open_trained()
    path = Path(expand(_PICTURE.value))
    save_picture(path, trained, _RECORD.value, _POLICY.value, expand(_RECORDS.value))
    print(f"The picture is {path}")


if __name__ == "__main__":
    program.run(main)
