"""python launch/export.py --help: the command of rsf_jax/commands/export.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("export")
