"""What every recurrent cell offers."""

from typing import Any

from rsf_jax.prepared import PreparedModule
from rsf_jax.typing import Array, FeatureMap

Carry = Any  # a cell's state: a pytree of arrays whose first axis is the batch


class RecurrentCell(PreparedModule):
    """One recurrent step, `carry -> carry`, for a fixed drive.

    A cell knows nothing of frames, schedules or halting: how often it is applied is decided by a
    step policy. A subclass defines the methods below, all but `drive`, which has a default.

    Attributes:
        channels: channels C of the hidden state and of the drive.
        kernel_size: side of the square recurrent kernels, odd, in pixels.
        conv_method: "auto", "fft" or "direct".
        norm_statistics: "sample" normalises each image by its own statistics, "batch" by those of
            the whole batch, as published.
    """

    channels: int = 25
    kernel_size: int = 15
    norm_statistics: str = "sample"

    def initial_carry(self, batch_size: int, height: int, width: int) -> Carry:
        """Returns the state in front of the first frame."""
        raise NotImplementedError

    def prepare(self, height: int, width: int) -> None:
        """Stores what depends on parameters and frame size alone in the collection `spectra`."""
        raise NotImplementedError

    def drive(self, x: FeatureMap) -> FeatureMap:
        """Returns what enters every step of a frame, given the stem's output [B, C, H, W].

        What does not change within a frame is computed here, once.
        """
        return x

    def __call__(self, carry: Carry, drive: FeatureMap) -> Carry:
        """Applies one recurrent step to `carry` under the drive [B, D, H, W]."""
        raise NotImplementedError

    def hidden(self, carry: Carry) -> Array:
        """Returns the hidden state h [B, C, H, W] of a carry: what is read out and compared."""
        raise NotImplementedError
