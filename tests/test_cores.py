"""The cores that a process may use."""

import os
import subprocess
import sys

import pytest

from rsf_jax.cores import usable_cores
from rsf_jax.trained.records import hardware


def test_a_process_that_is_kept_to_one_core_says_so():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("the system keeps processes to no cores")
    call = "from rsf_jax.cores import usable_cores; print(usable_cores())"
    one = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, [{one}]); {call}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"


def test_where_a_system_does_not_say_all_are_counted(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores() == 6


@pytest.mark.parametrize(("cores", "begin"), [(1, "1 core, "), (4, "4 cores, ")])
def test_records_name_them(monkeypatch, cores, begin):
    monkeypatch.setattr("rsf_jax.trained.records.usable_cores", lambda: cores)
    assert hardware().startswith(begin)
