"""Looks inside the hidden states: python launch/analyze.py --workdir=runs/quickstart."""

from absl import flags

from rsf_jax.commands import choices, opening
from rsf_jax.run_folder import writable_folder

_POLICY = choices.policy()
_CHECKPOINT = choices.checkpoint()
_VIDEOS = flags.DEFINE_integer(
    "videos", None, "test videos, from the first on; 100, or all there are, unless given", 1
)
_VIDEO = flags.DEFINE_integer(
    "video", 0, "the test video, counted from 0, whose trajectory is drawn", 0
)
_LONG_STEPS = flags.DEFINE_integer("long_steps", 50, "recurrent steps of the long run", 24)


def main() -> None:
    from rsf_jax import analysis
    from rsf_jax.data.dataset import open_dataset

    policy = choices.parsed(_POLICY.value)
    trained, folder = opening.open_trained(_CHECKPOINT.value)
    folder = writable_folder(folder)
    results = analysis.analyze(
        trained,
        open_dataset(trained.config),
        folder,
        policy=policy,
        videos=_VIDEOS.value,
        video=_VIDEO.value,
        long_steps=_LONG_STEPS.value,
    )
    analysis.print_analysis(results)
    print(f"Numbers (analysis*.json) and figures (PNG and SVG) are in {folder}")
