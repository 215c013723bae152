"""python launch/reuse.py --help: the command of rsf_jax/commands/reuse.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("reuse")
