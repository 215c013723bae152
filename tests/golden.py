"""Recorded vectors of the published PyTorch models, as Flax variables and channels-last arrays."""

import dataclasses
import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "golden"


@dataclasses.dataclass(frozen=True)
class Golden:
    """One recording.

    Attributes:
        meta: schedule and statefulness.
        params: Flax parameters before the run.
        grads: gradients of the mean frame loss, in the same tree.
        frames: float32 [B, T, H, W, 1].
        labels: int32 [B, T, H, W].
        logits: float32 [B, T, H, W, K].
        loss: float32 [T].
        hidden: for each frame, float32 [N, B, C, H, W] or the last of them alone.
    """

    meta: dict
    params: dict
    grads: dict
    frames: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    loss: np.ndarray
    hidden: list[np.ndarray]


def load(name: str) -> Golden:
    """Reads `golden/{name}.npz`."""
    file = np.load(FOLDER / f"{name}.npz")
    frames = np.moveaxis(file["frames"], 0, 1)
    logits = [file[f"logits/{t}"] for t in range(frames.shape[1])]
    return Golden(
        meta=json.loads(str(file["meta"])),
        params=_hgru_tree(lambda name: file[f"param/{name}"]),
        grads=_hgru_tree(lambda name: _gradient(file, name)),
        frames=frames[..., None],
        labels=np.moveaxis(file["targets"], 0, 1).astype(np.int32),
        logits=np.moveaxis(np.stack(logits, axis=1), 2, -1),
        loss=file["loss"],
        hidden=[file[f"hidden/{t}"] for t in range(frames.shape[1])],
    )


def _gradient(file, name: str) -> np.ndarray:
    # Idle parameters have no recorded gradient: it is zero.
    key = f"grad/{name}"
    return file[key] if key in file else np.zeros_like(file[f"param/{name}"])


def _hgru_tree(entry) -> dict:
    unit = {
        name: entry(f"unit1.{name}").reshape(-1) for name in ("alpha", "gamma", "kappa", "w", "mu")
    }
    for ours, theirs in (("inhibition", "w_gate_inh"), ("excitation", "w_gate_exc")):
        unit[ours] = _kernel(entry(f"unit1.{theirs}"))
    for i in (1, 2):
        unit[f"gate{i}"] = _kernel(entry(f"unit1.u{i}_gate.weight"))[0, 0]
        unit[f"gate{i}_bias"] = entry(f"unit1.u{i}_gate.bias")
    for ours, theirs in (("norm_scale", "weight"), ("norm_bias", "bias")):
        unit[ours] = np.stack([entry(f"unit1.bn.{row}.{theirs}") for row in range(4)])
    return {
        "stem": _conv(entry, "conv0"),
        "cell": unit,
        "output": {
            "norm_scale": entry("bn.weight"),
            "norm_bias": entry("bn.bias"),
            "conv": _conv(entry, "conv6"),
        },
    }


def _conv(entry, name: str) -> dict:
    return {"kernel": _kernel(entry(f"{name}.weight")), "bias": entry(f"{name}.bias")}


def _kernel(oihw: np.ndarray) -> np.ndarray:
    return np.transpose(oihw, (2, 3, 1, 0))
