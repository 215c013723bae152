"""The recurrent U-Net in PyTorch with the same weights, to compare with; PyTorch is optional.

Channels last, in which its convolutions are fastest, and gradients truncated at frames, as ours.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from rsf_jax.typing import Array

_LEVELS = 4
_GROUPS, _EPSILON = 8, 1e-5


class PyTorchUNet:
    """A network of `RecurrentUNet`'s weights.

    Attributes:
        weights: tensors by their path in the Flax parameters, such as "from_frame/kernel".
    """

    def __init__(self, params: Any) -> None:
        """Copies the parameters."""
        import torch

        self._torch, self._f = torch, torch.nn.functional
        leaves = jax.tree_util.tree_flatten_with_path(params)[0]
        self.weights = {
            "/".join(str(key.key) for key in path): self._parameter(np.asarray(leaf))
            for path, leaf in leaves
        }

    def step(self, hidden: Any, output: Any, drive: Any) -> tuple[Any, Any]:
        """One recurrent step: the next state of the unit, and the next logits, channels first."""
        x = drive + self._conv(output, "from_output")
        x = self._norm(self._conv(self._norm(x, "first/norm_0"), "first/conv_1"), "first/norm_1")
        skips = [x]
        for level in range(_LEVELS - 1):
            x = self._block(self._halved(x), f"encoder_{level}")
            skips.append(x)
        hidden = self._unit(hidden, self._halved(x))
        x = hidden
        for level, skip in enumerate(reversed(skips)):
            x = self._decoded(x, skip, f"decoder_{level}")
        return hidden, self._conv(x, "head")

    def drive(self, frame: Any) -> Any:
        """The frame's part of the first convolution."""
        return self._conv(frame, "from_frame")

    def tensor(self, array: Array) -> Any:
        """A map [B, H, W, C] as PyTorch's channels-last data [B, C, H, W], without moving it."""
        return self._torch.tensor(np.asarray(array)).permute(0, 3, 1, 2)

    def begin(self, frame: Any) -> tuple[Any, Any]:
        """State and logits before the first step, ones."""
        batch, _, height, width = frame.shape
        channels = self.weights["unit/update/conv_0/kernel"].shape[0]
        classes = self.weights["head/kernel"].shape[0]
        ones, last = self._torch.ones, self._torch.channels_last
        side = 2**_LEVELS
        return (
            ones(batch, channels, height // side, width // side).to(memory_format=last),
            ones(batch, classes, height, width).to(memory_format=last),
        )

    def steps(self, state: tuple[Any, Any], drive: Any, count: int) -> tuple[Any, Any]:
        """Applies several steps without gradients."""
        with self._torch.no_grad():
            for _ in range(count):
                state = self.step(*state, drive)
        return state

    def gradients(
        self, videos: Sequence[Any], labels: Sequence[Any], counts: Sequence[int], decay: float
    ) -> float:
        """Loss of videos, frame by frame; gradients stay in the weights.

        Args:
            videos: tensors [B, I, H, W], one for each frame.
            labels: tensors of int64 [B, H, W].
            counts: recurrent steps of each frame.
            decay: weight of the loss after a step, relative to that of the next one.
        """
        for weight in self.weights.values():
            weight.grad = None
        state, total = self.begin(videos[0]), 0.0
        for frame, mask, count in zip(videos, labels, counts):
            drive = self.drive(frame)
            loss: Any = 0.0
            for _ in range(count):
                state = self.step(*state, drive)
                loss = decay * loss + self._f.cross_entropy(state[1], mask)
            loss = loss / len(counts)
            loss.backward()
            total += float(loss.detach())
            state = (state[0].detach(), state[1].detach())
        return total

    def _parameter(self, value: np.ndarray) -> Any:
        # Flax keeps kernels [KH, KW, C_in, C_out].
        moved = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
        found = self._torch.tensor(np.ascontiguousarray(moved))
        if value.ndim == 4:
            found = found.to(memory_format=self._torch.channels_last)
        return found.requires_grad_()

    def _conv(self, x: Any, name: str) -> Any:
        kernel = self.weights[f"{name}/kernel"]
        bias = self.weights.get(f"{name}/bias")
        return self._f.conv2d(x, kernel, bias, padding=kernel.shape[-1] // 2)

    def _norm(self, x: Any, name: str) -> Any:
        groups = math.gcd(_GROUPS, x.shape[1])
        scale, bias = self.weights[f"{name}/scale"], self.weights[f"{name}/bias"]
        return self._f.relu(self._f.group_norm(x, groups, scale, bias, _EPSILON))

    def _block(self, x: Any, name: str) -> Any:
        for i in range(2):
            x = self._norm(self._conv(x, f"{name}/conv_{i}"), f"{name}/norm_{i}")
        return x

    def _halved(self, x: Any) -> Any:
        return self._f.max_pool2d(x, 2)

    def _unit(self, hidden: Any, features: Any) -> Any:
        z = self._torch.sigmoid(self._block(features, "unit/update"))
        r = self._torch.sigmoid(self._block(features, "unit/reset"))
        candidate = self._torch.tanh(self._block(features * r, "unit/candidate"))
        return (1 - z) * hidden + z * candidate

    def _decoded(self, x: Any, skip: Any, name: str) -> Any:
        # [C_out, D, 2, 2] as kept here; PyTorch's transposed convolution wants [D, C_out, 2, 2].
        kernel = self.weights[f"{name}/up/kernel"]
        x = self._f.conv_transpose2d(
            x, kernel.transpose(0, 1), self.weights[f"{name}/up/bias"], stride=2
        )
        below, right = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
        x = self._torch.cat([skip, self._f.pad(x, (0, right, 0, below))], 1)
        for i in range(2):
            x = self._f.relu(self._conv(x, f"{name}/conv_{i}"))
        return x
