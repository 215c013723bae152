"""python launch/describe.py --help: the command of rsf_jax/commands/describe.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("describe")
