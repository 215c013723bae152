"""Anybody's recurrence as a model: four functions, whatever library they are written with."""

from collections.abc import Callable
from typing import Any

from rsf_jax.models.base import VideoModel
from rsf_jax.typing import BatchSize, Carry


class FunctionModel(VideoModel):
    """A model made of functions of arrays, batch first; `StreamEngine.from_functions` makes it.

    Attributes:
        begin: (parameters, frames float32 [B, H, W, I]) -> what enters every step of these frames.
        advance: (parameters, carry, what `begin` gave) -> carry, one recurrent step.
        features: carry -> [B, C, H, W], by which halting rules judge.
        read: (parameters, carry) -> output [B, H, W, K].
        initial: number of frames B -> carry before the first frame.
        channels: I.
    """

    begin: Callable[[Any, Any], Any]
    advance: Callable[[Any, Carry, Any], Carry]
    features: Callable[[Carry], Any]
    read: Callable[[Any, Carry], Any]
    initial: Callable[[Any], Carry]
    channels: int = 1

    @property
    def input_channels(self) -> int:  # type: ignore[override]
        """Channels of a frame."""
        return self.channels

    def initial_carry(self, batch_size: BatchSize, height: int, width: int) -> Carry:
        """Returns what a step starts from before the first frame."""
        return self.initial(batch_size)

    def prepare(self, frame_shape: tuple[int, int]) -> None:
        """Does nothing: what depends on the parameters alone is in them already."""

    def drive(self, frame: Any) -> Any:
        """Returns what enters every step of the frame."""
        return self.begin(self._parameters(), frame)

    def step(self, carry: Carry, drive: Any) -> Carry:
        """Applies one step."""
        return self.advance(self._parameters(), carry, drive)

    def hidden(self, carry: Carry) -> Any:
        """Returns what halting rules compare."""
        return self.features(carry)

    def readout(self, carry: Carry) -> Any:
        """Returns the output."""
        return self.read(self._parameters(), carry)

    def _parameters(self) -> Any:
        return self.variables.get("params", {})
