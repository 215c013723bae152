"""Several processes that train one model, on one machine or on many: what they agree on.

Each computes on its own devices and reads its own share of every batch; gradients are summed over
all devices. Only the first writes to the run's folder.
"""

import dataclasses
import hashlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grain
import jax
import numpy as np
from jax.experimental import multihost_utils

from rsf_jax.errors import InputError

# After so many seconds without a sign of life a process counts as dead.
HEARTBEAT = 30
_MESSAGE = 2000  # bytes of an error that all are told


@dataclasses.dataclass(frozen=True)
class Processes:
    """The processes of a run, and which of them this one is.

    Every method but `is_main` has to be called by all of them, in the same order. With one
    process all return at once what they were given.

    Attributes:
        index: number of this process, from 0.
        count: number of processes.
    """

    index: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self.index == 0

    def on_main(self, work: Callable[[], None]) -> None:
        """Has the main process do something that can fail, such as writing; the others wait.

        Raises:
            InputError: in all of them, if it has failed.
        """
        if self.count == 1:
            work()
            return
        told = ""
        if self.is_main:
            try:
                work()
            except InputError as error:
                told = str(error)
        told = self._tell(told)
        if told:
            raise InputError(told)

    def broadcast(self, tree: Any) -> Any:
        """Returns the main process's arrays, bitwise; the others give arrays of such shapes."""
        if self.count == 1:
            return tree
        leaves, structure = jax.tree.flatten(jax.device_get(tree))
        # As bytes: collectives add zeros to numbers, and -0.0 would lose its sign.
        content = np.concatenate([np.asarray(x).reshape(-1).view(np.uint8) for x in leaves])
        content = np.asarray(multihost_utils.broadcast_one_to_all(content))
        ends = np.cumsum([x.nbytes for x in leaves])[:-1]
        parts = zip(np.split(content, ends), leaves)
        heard = [part.view(np.asarray(x).dtype).reshape(np.shape(x)) for part, x in parts]
        return jax.tree.unflatten(structure, heard)

    def any_reason(self, reason: str | None) -> str | None:
        """Returns why one of them wants to stop, None if none does."""
        if self.count == 1:
            return reason
        wanted = np.asarray(multihost_utils.process_allgather(np.bool_(reason is not None)))
        if not wanted.any():
            return None
        return reason or f"process {wanted.argmax()} has to stop"

    def any(self, wanted: bool) -> bool:
        """Returns whether one of them wants something."""
        if self.count == 1:
            return wanted
        return bool(np.asarray(multihost_utils.process_allgather(np.bool_(wanted))).any())

    def agree(self, what: str, told: str) -> None:
        """Checks that all were told the same.

        Args:
            what: what was told, for the error.
            told: this process's.

        Raises:
            InputError: in all of them, if one was told something else.
        """
        if self.count == 1:
            return
        digest = np.frombuffer(hashlib.sha256(told.encode()).digest(), np.uint8)
        all_told = np.asarray(multihost_utils.process_allgather(digest))
        others = [n for n in range(self.count) if (all_told[n] != all_told[0]).any()]
        if others:
            raise InputError(
                f"process {', '.join(map(str, others))} and process 0 have other {what}: start all "
                "of them with the same"
            )

    def shard(self, videos: grain.MapDataset) -> grain.MapDataset:
        """Returns the videos this process scores; as many in each process, the first ones twice."""
        if self.count == 1:
            return videos
        each = -(-len(videos) // self.count)
        return videos.repeat()[self.index : each * self.count : self.count]

    def gather(self, shared: Any, total: int) -> Any:
        """Returns what all have found of their shares, as arrays over all `total` videos.

        Args:
            shared: arrays over this process's shard, as `shard` deals it.
            total: number of videos.
        """
        if self.count == 1:
            return shared
        gathered = multihost_utils.process_allgather(shared)
        return jax.tree.map(
            lambda x: np.swapaxes(x, 0, 1).reshape(-1, *x.shape[2:])[:total], gathered
        )

    def shutdown(self) -> None:
        """Ends what connects them; from here on each is on its own."""
        if self.count > 1:
            jax.distributed.shutdown()

    def _tell(self, text: str) -> str:
        content = np.zeros(_MESSAGE, np.uint8)
        encoded = np.frombuffer(text.encode()[:_MESSAGE], np.uint8)
        content[: len(encoded)] = encoded
        heard = np.asarray(multihost_utils.broadcast_one_to_all(content)).tobytes()
        return heard.rstrip(b"\0").decode(errors="ignore")


ALONE = Processes()


def connect(
    coordinator: str | None = None, count: int | None = None, index: int | None = None
) -> Processes:
    """Connects this process with the others of a run; before anything is computed with JAX.

    Args:
        coordinator: HOST:PORT at which the first process can be reached by all.
        count: number of processes.
        index: number of this one, from 0. Without these three JAX asks the cluster's manager:
            Slurm, Open MPI, Kubernetes and Cloud TPU are known to it.

    Raises:
        InputError: if they do not find each other.
    """
    if coordinator is not None and not re.fullmatch(r".+:\d{1,5}", coordinator):
        raise InputError(f"coordinator is {coordinator!r}: HOST:PORT is needed")
    try:
        jax.distributed.initialize(coordinator, count, index, heartbeat_timeout_seconds=HEARTBEAT)
    except (RuntimeError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise InputError(
            f"the processes have not found each other ({why}): where no manager of a cluster that "
            "JAX knows has started them, give coordinator, number of processes and process"
        ) from error
    return here()


def here() -> Processes:
    """Returns the processes that were joined, or this one alone."""
    return Processes(jax.process_index(), jax.process_count())


@contextmanager
def failing_together(processes: Processes) -> Iterator[None]:
    """Ends this process at once, with the reason, if it fails or another one is gone.

    What one of several has met with, the others cannot know: they wait for it in a sum. JAX waits
    too when a process ends in an orderly way, hence `os._exit`. The others see that the connection
    is gone, or JAX's own watch ends them, which takes `HEARTBEAT` seconds at most.
    """
    try:
        yield
    except Exception as error:
        if processes.count == 1:
            raise
        if isinstance(error, jax.errors.JaxRuntimeError):
            why = str(error).splitlines()[0][:200]
            print(
                f"error: process {processes.index} has lost another of the {processes.count} "
                f"processes ({why}). Start all of them again to resume",
                file=sys.stderr,
            )
        elif isinstance(error, InputError):
            print(f"error: {error}", file=sys.stderr)
        else:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        # See docs/decisions/0017-devices-and-processes.md.
        os._exit(1)
