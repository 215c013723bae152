"""What commands do to JAX before it starts, and what they print of it."""

import dataclasses
import os
import textwrap

import jax

import rsf_jax as rsf
from rsf_jax.commands.shared import CELLS


def use_cpu_cores(batch_size: int) -> None:
    """Lets a machine without accelerator share batches between its cores.

    Much of a small network runs on one core; as so many JAX devices the others work too. The
    number divides the batch, so that nothing is padded. Accelerators are not affected.
    """
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = max(n for n in range(1, (cores or 1) + 1) if batch_size % n == 0)
    try:
        jax.config.update("jax_num_cpu_devices", count)
    except RuntimeError:
        if not CELLS.value:
            raise
        print(
            f"JAX was started by {CELLS.value} before its devices were chosen: CPU cores will not "
            "share batches. To have them do so, make no arrays outside classes and functions there"
        )


def use_wide_vectors() -> None:
    """Lets XLA use a CPU's widest vectors, where XLA_FLAGS does not say otherwise.

    Its default of 256 bits leaves half of a processor with AVX-512 idle; others are not affected.
    """
    given = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_prefer_vector_width" not in given:
        os.environ["XLA_FLAGS"] = f"{given} --xla_cpu_prefer_vector_width=512".strip()


def print_header(config: rsf.Config) -> None:
    """Prints the devices and every setting that is not the default, which `--help` shows."""
    devices = jax.local_devices()
    print(
        f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform}), JAX {jax.__version__}"
    )
    usual = dataclasses.asdict(rsf.Config())
    settings = dataclasses.asdict(config)
    told = [f"{name}={value}" for name, value in settings.items() if value != usual[name]]
    told = [f"name={config.name}", *(text for text in told if not text.startswith("name="))]
    lines = textwrap.wrap(" ".join(told), 100, break_long_words=False, break_on_hyphens=False)
    print("\n".join(lines), flush=True)
