"""python launch/stream.py --help: the command of rsf_jax/commands/stream.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("stream")
