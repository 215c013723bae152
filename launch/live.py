"""python launch/live.py --help: the command of rsf_jax/commands/live.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("live")
