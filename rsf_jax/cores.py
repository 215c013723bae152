"""How many processor cores this process may use."""

import os


def usable_cores() -> int:
    """Returns the cores that the process is allowed on: fewer than there are under `taskset`."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
