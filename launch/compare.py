"""python launch/compare.py --help: the command of rsf_jax/commands/compare.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("compare")
