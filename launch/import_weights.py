"""python launch/import_weights.py --help: the command of rsf_jax/commands/import_weights.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("import_weights")
