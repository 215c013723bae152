"""python launch/serve.py --help: the command of rsf_jax/commands/serve.py."""

from rsf_jax import commands

if __name__ == "__main__":
    commands.run("serve")
