"""What every recurrent cell offers."""

from typing import Any

import flax.linen as nn
from jax.ad_checkpoint import checkpoint_name

from rsf_jax.conv import choose_method, convolve, kernel_spectrum
from rsf_jax.policies import CONVOLVED
from rsf_jax.typing import Array, FeatureMap, Kernel

# The Flax collection that holds kernel spectra, beside "params".
SPECTRA = "spectra"

Carry = Any  # a cell's state: a pytree of arrays whose first axis is the batch


class RecurrentCell(nn.Module):
    """One recurrent step, `carry -> carry`, for a fixed drive.

    A cell knows nothing of frames, schedules or halting: how often it is applied is decided by a
    step policy. A subclass defines the four methods below; a cell with large kernels registers
    them with `convolve_prepared`, so that `prepare` finds them.

    Attributes:
        channels: channels C of the hidden state and of the drive.
        kernel_size: side of the square recurrent kernels, odd, in pixels.
        conv_method: "auto", "fft" or "direct".
        norm_statistics: "sample" normalises each image by its own statistics, "batch" by those of
            the whole batch, as published.
    """

    channels: int = 25
    kernel_size: int = 15
    conv_method: str = "auto"
    norm_statistics: str = "sample"

    def initial_carry(self, batch_size: int, height: int, width: int) -> Carry:
        """Returns the state in front of the first frame."""
        raise NotImplementedError

    def prepare(self, height: int, width: int) -> None:
        """Stores what depends on parameters and frame size alone in the collection `spectra`."""
        raise NotImplementedError

    def __call__(self, carry: Carry, drive: FeatureMap) -> Carry:
        """Applies one recurrent step to `carry` under the drive [B, C, H, W]."""
        raise NotImplementedError

    def hidden(self, carry: Carry) -> Array:
        """Returns the hidden state h [B, C, H, W] of a carry: what is read out and compared."""
        raise NotImplementedError

    def store_spectrum(self, name: str, kernel: Kernel, height: int, width: int) -> None:
        """Puts the spectrum of one kernel where `convolve_prepared` looks for it."""
        if choose_method(kernel.shape[0], kernel.shape[1], self.conv_method) == "fft":
            self.put_variable(SPECTRA, name, kernel_spectrum(kernel, height, width))

    def convolve_prepared(self, name: str, kernel: Kernel, x: FeatureMap) -> FeatureMap:
        """Convolves with the spectrum stored under `name`, computing it if there is none."""
        spectrum = self.get_variable(SPECTRA, name) if self.has_variable(SPECTRA, name) else None
        y = convolve(x, kernel, method=self.conv_method, spectrum=spectrum)
        return checkpoint_name(y, CONVOLVED)
