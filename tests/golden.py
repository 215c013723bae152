"""Recorded vectors of the published PyTorch models, as Flax variables and channels-last arrays."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from rsf_jax import interop
from rsf_jax.config.config import Config
from rsf_jax.ops.norm import RUNNING

FOLDER = Path(__file__).parent / "golden"


@dataclasses.dataclass(frozen=True)
class Golden:
    """One recording.

    Attributes:
        meta: schedule and statefulness.
        config: the model.
        tensors: parameters and buffers before the run, as published.
        variables: the same as Flax variables.
        grads: gradients of the mean frame loss, as the parameters.
        updated: running statistics after the run, if the model has them.
        frames: float32 [B, T, H, W, 1].
        labels: int32 [B, T, H, W].
        logits: float32 [B, T, H, W, K].
        loss: float32 [T].
        hidden: for each frame, float32 [N, B, C, H, W] or the last of them alone.
        memory: for each frame, the cell state of an LSTM alike.
    """

    meta: dict
    config: Config
    tensors: dict[str, np.ndarray]
    variables: dict[str, Any]
    grads: dict
    updated: dict | None
    frames: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    loss: np.ndarray
    hidden: list[np.ndarray]
    memory: list[np.ndarray]


def load(name: str) -> Golden:
    """Reads `golden/{name}.npz`."""
    file = np.load(FOLDER / f"{name}.npz")
    tensors = _with_prefix(file, "param/")
    config = interop.detect_config(tensors).replace(
        model="ffres6" if "skip" in name else interop.detect_config(tensors).model,
        norm_statistics="batch",
    )
    # Idle parameters and statistics have no recorded gradient: it is zero.
    grads = {k: np.zeros_like(v) for k, v in tensors.items()} | _with_prefix(file, "grad/")
    updated = tensors | _with_prefix(file, "updated/")
    count = range(len(file["frames"]))
    logits = np.stack([file[f"logits/{t}"] for t in count], axis=1)
    return Golden(
        meta=json.loads(str(file["meta"])),
        config=config,
        tensors=tensors,
        variables=interop.to_flax(tensors, config),
        grads=interop.to_flax(grads, config)["params"],
        updated=interop.to_flax(updated, config).get(RUNNING),
        frames=np.moveaxis(file["frames"], 0, 1)[..., None],
        labels=np.moveaxis(file["targets"], 0, 1).astype(np.int32),
        logits=np.moveaxis(logits, 2, -1),
        loss=file["loss"],
        hidden=[file[f"hidden/{t}"] for t in count if f"hidden/{t}" in file],
        memory=[file[f"cell/{t}"] for t in count if f"cell/{t}" in file],
    )


@dataclasses.dataclass(frozen=True)
class GoldenImage:
    """One recording of a batch of images, for the gradient estimators.

    Attributes:
        meta: algorithm, steps and weight of the penalty.
        config: the model.
        variables: as Flax variables.
        grads: gradients of the loss and the weighted penalty, as the parameters.
        frames: float32 [B, 1, H, W, 1].
        labels: int32 [B, 1, H, W].
        logits: float32 [B, 1, H, W, K].
        loss: mean focal loss.
        penalty: without its weight.
    """

    meta: dict
    config: Config
    variables: dict[str, Any]
    grads: dict
    frames: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    loss: float
    penalty: float


def load_image(name: str) -> GoldenImage:
    """Reads `golden/{name}.npz`, images as videos of one frame."""
    file = np.load(FOLDER / f"{name}.npz")
    tensors = _with_prefix(file, "param/")
    config = interop.detect_config(tensors).replace(norm_statistics="batch")
    grads = {k: np.zeros_like(v) for k, v in tensors.items()} | _with_prefix(file, "grad/")
    return GoldenImage(
        meta=json.loads(str(file["meta"])),
        config=config,
        variables=interop.to_flax(tensors, config),
        grads=interop.to_flax(grads, config)["params"],
        frames=file["image"][:, None, ..., None],
        labels=file["target"][:, None].astype(np.int32),
        logits=np.moveaxis(file["logits"], 1, -1)[:, None],
        loss=float(file["loss"]),
        penalty=float(file["penalty"]),
    )


def _with_prefix(file, prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): file[k] for k in file if k.startswith(prefix)}
