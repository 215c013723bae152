"""python launch/train.py --help: the command of rsf_jax/commands/train.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("train")
