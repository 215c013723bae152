"""Modules whose large kernels are transformed once per parameter set."""

import flax.linen as nn
from jax.ad_checkpoint import checkpoint_name

from rsf_jax.arguments import check_choice
from rsf_jax.ops.conv import METHODS, Input, Output, choose_method, convolve, kernel_spectrum
from rsf_jax.ops.direct import CONVOLVED
from rsf_jax.ops.rounding import COMPUTE_DTYPES, FLOAT32
from rsf_jax.typing import Kernel

# The Flax collection that holds kernel spectra, beside "params".
SPECTRA = "spectra"


class PreparedModule(nn.Module):
    """A module that convolves with kernels whose spectra it may keep.

    A subclass calls `store_spectrum` for each of its kernels where it prepares, and
    `convolve_prepared`, with the same name, where it convolves. Or it convolves where it prepares:
    that stores the spectra too.

    Attributes:
        conv_method: "auto", "fft" or "direct".
        compute_dtype: in which convolutions multiply, "float32" or "bfloat16"; all else, and the
            sums, are in float32.
    """

    conv_method: str = "auto"
    compute_dtype: str = FLOAT32

    def __post_init__(self) -> None:
        """Checks both; subclasses that check more call this."""
        check_choice("conv_method", self.conv_method, METHODS)
        check_choice("compute_dtype", self.compute_dtype, COMPUTE_DTYPES)
        super().__post_init__()

    def store_spectrum(self, name: str, kernel: Kernel, height: int, width: int) -> None:
        """Puts the spectrum of one kernel where `convolve_prepared` looks for it."""
        rows, columns = kernel.shape[:2]
        if choose_method(rows, columns, self.conv_method, self.compute_dtype) == "fft":
            spectrum = kernel_spectrum(kernel, height, width, self.compute_dtype)
            self.put_variable(SPECTRA, name, spectrum)

    def convolve_prepared(self, name: str, kernel: Kernel, x: Input) -> Output:
        """Convolves with the spectrum stored under `name`, computing it if there is none.

        Args:
            name: of this kernel alone within its module.
            kernel: float32 [KH, KW, C_in, C_out], both sizes odd.
            x: float32 [B, C_in, H, W].

        Returns:
            float32 [B, C_out, H, W], the same as `conv.convolve`.
        """
        if self.is_mutable_collection(SPECTRA) and not self.is_initializing():
            self.store_spectrum(name, kernel, x.shape[2], x.shape[3])
        spectrum = self.get_variable(SPECTRA, name) if self.has_variable(SPECTRA, name) else None
        y = convolve(
            *(x, kernel),
            method=self.conv_method,
            spectrum=spectrum,
            compute_dtype=self.compute_dtype,
        )
        return checkpoint_name(y, CONVOLVED)
