"""Trains a model and tests it: python launch/train.py --config=hard_s8f8.

Run it again to resume where it stopped.
"""

import launcher
from absl import flags

import rsf_jax as rsf
from rsf_jax import experiment

flags.adopt_module_key_flags(launcher)


def main() -> None:
    if launcher.CONFIG.value is None:
        raise rsf.InputError("give --config=PRESET, such as --config=quickstart")
    config = rsf.get_config(launcher.CONFIG.value).replace(**launcher.overrides())
    launcher.use_cpu_cores(config.batch_size)
    launcher.print_header(config)
    experiment.run(config, launcher.workdir())


if __name__ == "__main__":
    launcher.run(main)
