"""oneDNN's convolution on CPUs, in place of XLA's: optional, the extra `onednn`.

On maps of a hundred thousand pixels with few channels it is two to three times as fast as XLA's,
and six times for the kernel's gradient (docs/speed.md has the figures). `rsf_jax.ops.direct` asks
`is_used` and takes XLA's form where it says no.
"""

import ctypes
import functools
import os
import warnings
from contextlib import AbstractContextManager

import jax
import jax.numpy as jnp

from rsf_jax.errors import InputError
from rsf_jax.ops.held import as_varying
from rsf_jax.ops.onednn.building import CannotBuildError, build, is_installed
from rsf_jax.typing import Array, Float, Kernel

# "off" leaves convolutions to XLA where the extra is installed, too.
SWITCH = "RSF_ONEDNN"
_TARGETS = ("rsf_convolve", "rsf_kernel_gradient")
# Programs that were traced with oneDNN are not taken for those without.
_left_out = jax.make_user_context(False)


def is_used() -> bool:
    """Whether convolutions that are traced now call oneDNN when they run on a CPU.

    The first call of a machine compiles the calls (some seconds, once).

    Raises:
        InputError: if the environment's RSF_ONEDNN is neither "on" nor "off", or is "on" and oneDNN
            cannot be used.
    """
    return not _left_out.value and _is_loaded(os.environ.get(SWITCH, ""))


def left_out() -> AbstractContextManager[None]:
    """Within it programs are traced without oneDNN: those that leave this machine."""
    return _left_out(True)


def convolve(x: Float[Array, "B H W C_in"], kernel: Kernel) -> Float[Array, "B H W C_out"]:
    """Cross-correlates, under zero padding that keeps the size; strides are 1.

    Args:
        x: float32 [B, H, W, C_in].
        kernel: float32 [KH, KW, C_in, C_out], both sizes odd.

    Returns:
        float32 [B, H, W, C_out]; of each image the same bits, whatever it is batched with.
    """
    return _call("rsf_convolve", (*x.shape[:3], kernel.shape[3]), x, kernel)


def kernel_gradient(
    x: Float[Array, "B H W C_in"], y: Float[Array, "B H W C_out"], size: tuple[int, int]
) -> Kernel:
    """Returns the kernel's cotangent, float32 [KH, KW, C_in, C_out].

    Args:
        x: the convolution's input, float32 [B, H, W, C_in].
        y: the cotangent of its result, float32 [B, H, W, C_out].
        size: of the kernel.
    """
    return _call("rsf_kernel_gradient", (*size, x.shape[3], y.shape[3]), x, y)


def _call(target: str, shape: tuple[int, ...], *arrays: Array) -> jax.Array:
    like = jax.ShapeDtypeStruct(shape, jnp.float32)
    arrays = as_varying(arrays, arrays)
    found = jax.ffi.ffi_call(target, like, vmap_method="sequential")(*arrays)
    return as_varying(found, arrays)  # under `shard_map`, of which the call knows nothing


@functools.cache
def _is_loaded(wish: str) -> bool:
    if wish not in ("", "on", "off"):
        raise InputError(f"{SWITCH} is {wish!r}: set it to on or off, or leave it out")
    if wish == "off" or (wish == "" and not is_installed()):
        return False
    try:
        library = ctypes.cdll.LoadLibrary(str(build()))
    except (CannotBuildError, OSError) as error:
        if wish == "on":
            raise InputError(f"{SWITCH} is on, but {error}") from error
        warnings.warn(
            f"convolutions run without oneDNN: {error} ({SWITCH}=off says that this is meant)",
            stacklevel=2,
        )
        return False
    for name in _TARGETS:
        handler = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
    return True
