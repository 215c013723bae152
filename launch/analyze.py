"""Looks inside the hidden states: python launch/analyze.py --workdir=runs/quickstart."""

import launcher
from absl import flags

import rsf_jax as rsf
from rsf_jax import analysis, policies
from rsf_jax.data.dataset import open_dataset
from rsf_jax.run_folder import writable_folder

flags.adopt_module_key_flags(launcher)

_POLICY = flags.DEFINE_string(
    "policy", None, f"{policies.GRAMMAR}; the schedule of training unless given"
)
_CHECKPOINT = flags.DEFINE_integer(
    "checkpoint", None, "number of updates; the best on validation unless given"
)
_VIDEOS = flags.DEFINE_integer(
    "videos", None, "test videos, from the first on; 100, or all there are, unless given"
)
_VIDEO = flags.DEFINE_integer(
    "video", 0, "the test video, counted from 0, whose trajectory is drawn"
)
_LONG_STEPS = flags.DEFINE_integer("long_steps", 50, "recurrent steps of the long run, at least 24")


def main() -> None:
    policy = rsf.parse_policy(_POLICY.value) if _POLICY.value else None
    trained, folder = launcher.open_trained(_CHECKPOINT.value)
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


if __name__ == "__main__":
    launcher.run(main)
