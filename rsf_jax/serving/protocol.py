"""Messages with results: a header of JSON, and what it names behind it.

4 bytes   length of the header, little-endian
header    JSON: {"stream": "door", "index": 7, "steps": 2, ..., "parts": [...]}
parts     one after the other: {"name": "mask", "type": "raw", "shape": [36, 36], "bytes": 1296}
"""

import io
import json
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import nn
from PIL import Image

from rsf_jax.errors import InputError
from rsf_jax.streaming import FrameResult
from rsf_jax.typing import Array

MASKS = ("png", "raw", "none")
_PREFIX = 4  # bytes
_MOST_HEADER = 2**20


def outputs(logits: Array) -> dict[str, Array]:
    """Returns what the engine of a server brings to the host of logits [S, H, W, K].

    Returns:
        "mask", uint8 [S, H, W], class indices; "probabilities", uint8 [S, H, W, K], in 255ths.
    """
    probabilities = jnp.rint(255 * nn.softmax(logits)).astype(jnp.uint8)
    return {"mask": logits.argmax(-1).astype(jnp.uint8), "probabilities": probabilities}


def header(result: FrameResult) -> dict[str, Any]:
    """Returns what JSON says of a result."""
    return {
        "stream": result.stream,
        "index": result.index,
        "status": result.status,
        "steps": result.steps,
        "seconds": round(result.seconds, 6),
        "time": result.time,
        "first": result.first,
        "reason": result.reason,
    }


def message(result: FrameResult, masks: str, probabilities: bool) -> bytes:
    """Returns the message of a result.

    Args:
        result: of an engine whose transform is `outputs`.
        masks: one of `MASKS`: class indices as a PNG, as the bytes of uint8 [H, W], or not at all.
        probabilities: whether those of all classes are part of it, uint8 [H, W, K].
    """
    parts: list[tuple[str, str, tuple[int, ...], bytes]] = []
    if result.outputs is not None:
        mask = result.outputs["mask"]
        if masks == "png":
            parts.append(("mask", "image/png", mask.shape, png(mask)))
        elif masks == "raw":
            parts.append(("mask", "raw", mask.shape, mask.tobytes()))
        if probabilities:
            values = result.outputs["probabilities"]
            parts.append(("probabilities", "raw", values.shape, values.tobytes()))
    return pack(header(result), parts)


def png(image: np.ndarray) -> bytes:
    """Returns uint8 [H, W] or [H, W, 1 or 3] as a PNG."""
    found = io.BytesIO()
    flat = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    Image.fromarray(flat).save(found, "PNG", compress_level=1)
    return found.getvalue()


def pack(about: Mapping[str, Any], parts: list[tuple[str, str, tuple[int, ...], bytes]]) -> bytes:
    """Returns a message of a header and its parts: name, type, shape, content."""
    told = [
        {"name": name, "type": kind, "shape": list(shape), "bytes": len(content)}
        for name, kind, shape, content in parts
    ]
    text = json.dumps({**about, "parts": told}).encode()
    return b"".join([len(text).to_bytes(_PREFIX, "little"), text, *(part[3] for part in parts)])


def unpack(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray | bytes]]:
    """Returns header and parts of a message: arrays of uint8, or the bytes of a file.

    Raises:
        InputError: if it is none.
    """
    try:
        size = int.from_bytes(content[:_PREFIX], "little")
        if size > _MOST_HEADER:
            raise ValueError(f"a header of {size} bytes")
        about = json.loads(content[_PREFIX : _PREFIX + size])
        place, found = _PREFIX + size, {}
        for part in about.pop("parts"):
            piece = content[place : place + part["bytes"]]
            place += part["bytes"]
            is_raw = part["type"] == "raw"
            array = np.frombuffer(piece, np.uint8).reshape(part["shape"]) if is_raw else piece
            found[part["name"]] = array
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"this is no message of results: {error}") from None
    return about, found
