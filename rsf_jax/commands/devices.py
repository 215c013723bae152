"""What commands do to JAX before it starts, and what they print of it."""

import dataclasses
import hashlib
import os
import platform
import sys
from pathlib import Path

import jax

import rsf_jax as rsf
from rsf_jax.commands.shared import CELLS
from rsf_jax.cores import usable_cores
from rsf_jax.paths import cache_folder

_CACHE_BYTES = 2**30  # what was used longest ago makes room
_WIDTH = 100  # of what is printed where there is no terminal


def use_cpu_cores(batch_size: int) -> None:
    """Lets a machine without accelerator share batches between its cores.

    Much of a small network runs on one core; as so many JAX devices the others work too. The
    number divides the batch, so that nothing is padded. Accelerators are not affected.
    """
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    count = max(n for n in range(1, usable_cores() + 1) if batch_size % n == 0)
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


def keep_compiled() -> None:
    """Keeps what XLA compiles on the disk, so that a second start takes a third of the time.

    In `~/.cache/rsf_jax`, or where XDG_CACHE_HOME or JAX_COMPILATION_CACHE_DIR say;
    JAX_ENABLE_COMPILATION_CACHE=false switches it off.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = cache_folder("compiled", _processor())
    if folder is None:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", _CACHE_BYTES)
    # Small models are made of many small programs.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _processor() -> str:
    """A name of this machine's kind of processor, for whose instructions programs are compiled.

    Folders are shared by machines of a cluster, and JAX does not tell their processors apart.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    kind = f"{platform.machine()} {platform.processor()} {flags}"
    return hashlib.sha256(kind.encode()).hexdigest()[:12]


def show_no_bars_in_logs() -> None:
    """Leaves progress bars, as of TFDS, to terminals: in a file each is kilobytes of one line."""
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")


def print_header(config: rsf.Config) -> None:
    """Prints the devices and every setting that is not the default, which `--help` shows."""
    from rich.columns import Columns  # `--help` does without
    from rich.console import Console
    from rich.text import Text

    devices = jax.local_devices()
    print(
        f"{config.name} on {len(devices)} x {devices[0].device_kind} ({devices[0].platform}), "
        f"JAX {jax.__version__}"
    )
    usual = dataclasses.asdict(rsf.Config())
    settings = {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if value != usual[name] and name != "name"
    }
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    told = [Text(f"{name}={value}") for name, value in settings.items()]
    console.print(Columns(told, padding=(0, 3), column_first=True))
    sys.stdout.flush()
