"""python launch/evaluate.py --help: the command of rsf_jax/commands/evaluate.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("evaluate")
