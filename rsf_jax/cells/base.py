"""What every recurrent cell offers."""

import jax.numpy as jnp

from rsf_jax.arguments import check_choice, check_odd, whole
from rsf_jax.ops.norm import STATISTICS
from rsf_jax.ops.prepared import PreparedModule
from rsf_jax.typing import Array, BatchSize, Carry, FeatureMap


class RecurrentCell(PreparedModule):
    """One recurrent step, `carry -> carry`, for a fixed drive.

    A cell knows nothing of frames, schedules or halting: how often it is applied is decided by a
    step policy. It needs `__call__` alone; the other methods have defaults for a carry that is the
    hidden state h [B, C, H, W]. A complete one, h' = (h + tanh(x + W * h)) / 2:

        import flax.linen as nn
        import jax.numpy as jnp
        import rsf_jax as rsf

        @rsf.register_cell("leaky")
        class LeakyCell(rsf.RecurrentCell):
            @nn.compact
            def __call__(self, carry, drive):
                shape = (self.kernel_size, self.kernel_size, self.channels, self.channels)
                kernel = self.param("kernel", nn.initializers.orthogonal(), shape)
                around = self.convolve_prepared("kernel", kernel, carry)
                return (carry + jnp.tanh(drive + around)) / 2

        config = rsf.get_config("quickstart_leaky")

    Attributes:
        channels: channels C of the hidden state and of the drive.
        kernel_size: side of the square recurrent kernels, odd, in pixels.
        conv_method: "auto", "fft" or "direct".
        compute_dtype: in which `convolve_prepared` multiplies, "float32" or "bfloat16".
        norm_statistics: "sample" normalizes each image by its own statistics, "batch" by those of
            the whole batch, as published.

    Attributes of a subclass need a default. Those that are int, float, bool or str are options of
    the cell: `config.options` sets them by name, as in `--config.options=gain=0.5`.

    Raises:
        InputError: if an attribute is none of these.
    """

    channels: int = 25
    kernel_size: int = 15
    norm_statistics: str = "sample"

    def __post_init__(self) -> None:
        """Checks the attributes that every cell has."""
        whole("channels", self.channels)
        check_odd("kernel_size", self.kernel_size)
        check_choice("norm_statistics", self.norm_statistics, STATISTICS)
        super().__post_init__()

    def initial_carry(self, batch_size: BatchSize, height: int, width: int) -> Carry:
        """Returns the state before the first frame: zeros, float32 [B, C, H, W].

        It must not need parameters.
        """
        return jnp.zeros((batch_size, self.channels, height, width), jnp.float32)

    def prepare(self, height: int, width: int) -> None:
        """Stores what depends on parameters and frame size alone in the collection `spectra`.

        By default takes a step, in which `convolve_prepared` stores the spectrum of every kernel;
        the rest of it is dropped where this is compiled.
        """
        carry = self.initial_carry(1, height, width)
        self(carry, self.drive(jnp.zeros((1, self.channels, height, width), jnp.float32)))

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
        return carry
