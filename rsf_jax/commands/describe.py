"""Prints what models cost, without running them.

python launch/describe.py --config=hard_s8f8
python launch/describe.py --pretrained=quickstart_live16
"""

import json

from absl import flags
from rich.table import Table

import rsf_jax as rsf
from rsf_jax.commands import choices, shared
from rsf_jax.config.cost import cost
from rsf_jax.console import table_console

_SIZE = choices.frame_size("those of the preset's data")
_FRAMES = flags.DEFINE_integer(
    "frames", None, "frames of a video; those of the preset's data unless given", lower_bound=1
)
# One of each network, and of what its schedule changes.
_SHOWN = (
    *("quickstart", "easy_s6f6", "easy_s6f1", "hard_s8f8", "hard_s8f2", "hard_s8f8_clstm"),
    *("hard_ff8", "hard_ffres8", "hard_conv3ds", "hard_conv3dm", "camvid_s3f1_dru"),
)
_PRESETS = flags.DEFINE_list("presets", list(_SHOWN), "which, unless a flag names a model")
_JSON = flags.DEFINE_boolean("json", False, "print JSON instead of a table")


def main() -> None:
    configs = _configs()
    videos = {name: _video(config) for name, config in configs.items()}
    costs = {}
    for name, config in configs.items():
        frames, size = videos[name]
        costs[name] = cost(config, shared.frame_size(size), frames)
    if _JSON.value:
        print(json.dumps({name: vars(c) for name, c in costs.items()}, indent=1))
        return
    table = Table(title="Multiply-adds of direct convolutions")
    table.add_column("preset", no_wrap=True)
    for title in ("parameters", "pixels", "a step", "frame besides", "frames", "a video"):
        table.add_column(title, justify="right")
    for name in configs:
        c, (frames, pixels) = costs[name], videos[name]
        sizes = (f"{n / 1e9:.3f} G" for n in (c.per_step, c.per_frame))
        row = (name, f"{c.parameters:,}", pixels, *sizes, str(frames))
        table.add_row(*row, f"{c.per_video / 1e9:.3g} G")
    table_console().print(table)


def _configs() -> dict[str, rsf.Config]:
    """What is described, by the names to show: a trained model, or presets."""
    changes = shared.model_settings() | shared.overrides()
    if shared.PRETRAINED.value:
        trained = rsf.load_pretrained(shared.PRETRAINED.value, changes)
        return {trained.card.name if trained.card else trained.config.name: trained.config}
    if shared.WORKDIR.value:
        from rsf_jax.training.loading import load_trained

        return {shared.WORKDIR.value: load_trained(shared.WORKDIR.value, changes).config}
    names = [shared.CONFIG.value] if shared.CONFIG.value else _PRESETS.value
    return {name: rsf.get_config(name).replace(**shared.overrides()) for name in names}


# Of released files, which nobody need have: frames of a video and their size, in pixels.
_RELEASED = {"camvid/pairs": (2, 360, 480)}


def _video(config: rsf.Config) -> tuple[int, str]:
    """Frames of a video and their size: as given, or of the preset's data.

    Raises:
        InputError: if neither is known, as of a folder's videos.
    """
    if _FRAMES.value and _SIZE.value:
        return _FRAMES.value, _SIZE.value
    from rsf_jax.data.building import video_shape

    shape = _RELEASED.get(config.dataset) or video_shape(config)
    if shape is None:
        raise rsf.InputError(
            f"what videos {config.dataset} has is not known here: give --frame_size and --frames"
        )
    frames, height, width = shape[:3]
    size = f"{height // config.shrink}x{width // config.shrink}"
    return _FRAMES.value or frames, _SIZE.value or size
