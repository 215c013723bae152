"""Tests a trained model: python launch/evaluate.py --workdir=runs/hard_s8f8 --policy=s8f2."""

import launcher
from absl import flags

import rsf_jax as rsf
from rsf_jax import evaluation, experiment
from rsf_jax.data import open_dataset

flags.adopt_module_key_flags(launcher)

_POLICY = flags.DEFINE_string(
    "policy", None, "schedule s{S}f{F}, such as s8f2; the one of training unless given"
)
_CHECKPOINT = flags.DEFINE_integer(
    "checkpoint", None, "number of updates; the best on validation unless given"
)


def main() -> None:
    policy = rsf.parse_policy(_POLICY.value) if _POLICY.value else None
    trained = evaluation.load_trained(
        launcher.workdir(), launcher.model_settings() | launcher.overrides(), _CHECKPOINT.value
    )
    launcher.print_header(trained.config)
    folder = experiment.writable_folder(launcher.workdir())
    results = evaluation.evaluate(trained, open_dataset(trained.config), folder, policy)
    evaluation.print_results(results)
    print(f"Results and a picture of predictions are in {folder}")


if __name__ == "__main__":
    launcher.run(main)
