"""python launch/calibrate.py --help: the command of rsf_jax/commands/calibrate.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("calibrate")
