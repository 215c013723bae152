"""python launch/analyze.py --help: the command of rsf_jax/commands/analyze.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("analyze")
