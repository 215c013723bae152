"""Times functions against each other, in turns, so that all meet the same moods of a machine."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

# Thread pools of PyTorch go on spinning for a while after a call, at the cost of the next one.
PAUSE = 0.2
TURN = 0.2  # seconds a case is called in a row, at least
_ROUNDS = 3  # at least


@dataclasses.dataclass(frozen=True)
class Case:
    """Something to be timed.

    Attributes:
        call: does the work and returns when it is done.
        units: what one call does, such as recurrent steps times images; times are given per unit.
        compile_seconds: time it took to compile; 0 where nothing is compiled.
        temporary_bytes: memory it needs beside its arguments, where known.
    """

    call: Callable[[], Any]
    units: int = 1
    compile_seconds: float = 0.0
    temporary_bytes: int | None = None


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds a unit took.

    Attributes:
        median: over all calls.
        best: the shortest call.
        calls: number of calls.
        compile_seconds: as in `Case`.
        temporary_bytes: as in `Case`.
    """

    median: float
    best: float
    calls: int
    compile_seconds: float
    temporary_bytes: int | None


def compiled(function: Callable, *args: Any, units: int = 1) -> Case:
    """Compiles a function for its arguments and returns the case of calling it with them."""
    start = time.perf_counter()
    executable = jax.jit(function).lower(*args).compile()
    seconds = time.perf_counter() - start
    memory = executable.memory_analysis()
    temporary = None if memory is None else int(memory.temp_size_in_bytes)
    return Case(lambda: jax.block_until_ready(executable(*args)), units, seconds, temporary)


def time_in_turns(cases: Mapping[str, Case], seconds: float) -> dict[str, Timing]:
    """Calls all cases in turns for about `seconds` each, after one call that does not count.

    Args:
        cases: what to time, by name.
        seconds: time to spend on each at least; three rounds are made at least.
    """
    durations: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        case.call()
    rounds = 0
    while rounds < _ROUNDS or any(sum(d) < seconds for d in durations.values()):
        for name, case in cases.items():
            durations[name] += _turn(case)
        rounds += 1
    return {name: _summary(cases[name], durations[name]) for name in cases}


def _turn(case: Case) -> list[float]:
    """Times calls in a row, without the first, which has to wake threads; unless it is the only."""
    time.sleep(PAUSE)
    durations: list[float] = []
    while not durations or sum(durations) < TURN:
        start = time.perf_counter()
        case.call()
        durations.append(time.perf_counter() - start)
    return durations[1:] or durations


def _summary(case: Case, durations: list[float]) -> Timing:
    return Timing(
        statistics.median(durations) / case.units,
        min(durations) / case.units,
        len(durations),
        case.compile_seconds,
        case.temporary_bytes,
    )
