"""python launch/export_weights.py --help: the command of rsf_jax/commands/export_weights.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("export_weights")
