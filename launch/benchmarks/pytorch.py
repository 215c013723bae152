"""An equivalent PyTorch model with the same weights, to compare with; PyTorch is optional.

As published: channels first, batch normalization with the statistics of the batch, and
back-propagation through the steps of one frame. Source: Wang et al. 2023, published code.
"""

import importlib.metadata
import importlib.util
from typing import Any

import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.ops.norm import EPSILON
from rsf_jax.typing import Array


def is_installed() -> bool:
    """Whether PyTorch can be imported."""
    return importlib.util.find_spec("torch") is not None


def version() -> str | None:
    """Returns the installed version of PyTorch, or None."""
    return importlib.metadata.version("torch") if is_installed() else None


class PyTorchModel:
    """Stem, hGRU cell and readout in PyTorch, with the weights of a Flax model.

    Attributes:
        weights: tensors by their path in the Flax parameters, such as "cell/inhibition".
    """

    def __init__(self, params: Any) -> None:
        """Copies the parameters of an hGRU model."""
        import torch

        if "inhibition" not in params["cell"]:
            raise InputError("the PyTorch comparison knows the hgru cell alone")
        self._torch = torch
        self.weights = {
            f"{module}/{name}": torch.tensor(np.asarray(value), requires_grad=True)
            for module, values in _flat_modules(params).items()
            for name, value in values.items()
        }

    def drive(self, frame: Any) -> Any:
        """Maps a frame [B, 1, H, W] to the drive [B, C, H, W]."""
        return self._same_conv(frame, "stem/kernel", self.weights["stem/bias"]) ** 2

    def step(self, h: Any, x: Any) -> Any:
        """Applies one recurrent step: the equations of `HGRUCell`."""
        softplus, sigmoid = self._torch.nn.functional.softplus, self._torch.sigmoid
        g1 = sigmoid(self._pointwise("gate1", h))
        c1 = self._normalized(1, self._convolved("inhibition", h * g1))
        s1 = softplus(x - softplus(c1 * (self._channel("alpha") * h + self._channel("mu"))))
        g2 = sigmoid(self._pointwise("gate2", s1))
        c2 = self._normalized(3, self._convolved("excitation", s1))
        linear = self._channel("kappa") * s1 + self._channel("gamma") * c2
        excited = softplus(linear + self._channel("w") * s1 * c2)
        return softplus((1 - g2) * h + g2 * excited)

    def readout(self, h: Any) -> Any:
        """Maps a hidden state [B, C, H, W] to logits [B, K, H, W]."""
        scale, bias = self.weights["output/norm_scale"], self.weights["output/norm_bias"]
        kernel = self._kernel("output/conv/kernel")
        x = self._batch_norm(h, scale, bias)
        return self._torch.nn.functional.conv2d(x, kernel, self.weights["output/conv/bias"])

    def steps(self, h: Array, x: Array, count: int) -> Any:
        """Applies several steps without gradients."""
        h, x = self._tensor(h), self._tensor(x)
        with self._torch.no_grad():
            for _ in range(count):
                h = self.step(h, x)
        return h

    def stream(self, frames: Array, counts: list[int]) -> np.ndarray:
        """Classes of every frame [T, H, W] of one video [T, H, W, 1], on the host after each."""
        classes = []
        with self._torch.no_grad():
            h = None
            for frame, count in zip(np.asarray(frames), counts):
                x = self.drive(self._tensor(frame[None, None, ..., 0]))
                h = self._torch.zeros_like(x) if h is None else h
                for _ in range(count):
                    h = self.step(h, x)
                classes.append(self.readout(h).argmax(1)[0].numpy())
        return np.stack(classes)

    def gradients(self, frames: Array, masks: Array, counts: list[int], gamma: float) -> Any:
        """Loss of videos [B, T, H, W, 1]; gradients, truncated at frames, stay in the weights."""
        # [B, T, 1, H, W] by a copy: PyTorch would take a moved axis for channels-last data, whose
        # gradients are a hundred times slower.
        videos, labels = self._tensor(frames[:, :, None, ..., 0]), self._tensor(masks).long()
        for weight in self.weights.values():
            weight.grad = None
        h, total = None, 0.0
        for t, count in enumerate(counts):
            x = self.drive(videos[:, t])
            h = self._torch.zeros_like(x) if h is None else h.detach()
            for _ in range(count):
                h = self.step(h, x)
            loss = self._focal_loss(self.readout(h), labels[:, t], gamma) / len(counts)
            loss.backward()
            total += float(loss.detach())
        return total

    def _focal_loss(self, logits: Any, labels: Any, gamma: float) -> Any:
        entropy = self._torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        weight = (1 - self._torch.exp(-entropy.detach())) ** gamma
        return (weight * entropy).mean()

    def _convolved(self, name: str, x: Any) -> Any:
        return self._same_conv(x, f"cell/{name}", None)

    def _same_conv(self, x: Any, name: str, bias: Any) -> Any:
        kernel = self._kernel(name)
        padding = kernel.shape[-1] // 2
        return self._torch.nn.functional.conv2d(x, kernel, bias, padding=padding)

    def _pointwise(self, name: str, x: Any) -> Any:
        kernel = self.weights[f"cell/{name}"].T[:, :, None, None]
        return self._torch.nn.functional.conv2d(x, kernel, self.weights[f"cell/{name}_bias"])

    def _normalized(self, row: int, x: Any) -> Any:
        scale, bias = self.weights["cell/norm_scale"][row], self.weights["cell/norm_bias"][row]
        return self._batch_norm(x, scale, bias)

    def _batch_norm(self, x: Any, scale: Any, bias: Any) -> Any:
        norm = self._torch.nn.functional.batch_norm
        return norm(x, None, None, scale, bias, training=True, eps=EPSILON)

    def _kernel(self, name: str) -> Any:
        # Flax keeps [KH, KW, C_in, C_out].
        kernel = self.weights[name].permute(3, 2, 0, 1)
        return kernel.clone(memory_format=self._torch.contiguous_format)

    def _channel(self, name: str) -> Any:
        return self.weights[f"cell/{name}"][None, :, None, None]

    def _tensor(self, values: Array) -> Any:
        return self._torch.from_numpy(np.array(values, order="C"))


def _flat_modules(params: Any, prefix: str = "") -> dict[str, dict[str, Array]]:
    """Leaves by the path of their module."""
    modules: dict[str, dict[str, Array]] = {}
    for name, value in params.items():
        if isinstance(value, dict):
            modules |= _flat_modules(value, f"{prefix}{name}/")
        else:
            modules.setdefault(prefix.rstrip("/"), {})[name] = value
    return modules
