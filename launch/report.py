"""python launch/report.py --help: the command of rsf_jax/commands/report.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("report")
