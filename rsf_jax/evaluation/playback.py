"""What a model makes of a few videos after every recurrent step, to be looked through."""

import base64
import io
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.checks import with_memory
from rsf_jax.data.batch import Batch
from rsf_jax.measures.images import class_iou
from rsf_jax.models.base import Prepared, State
from rsf_jax.ops.pixels import as_picture
from rsf_jax.policies import StepPolicy, policy_name
from rsf_jax.policies.base import StepwisePolicy, bound
from rsf_jax.policies.steering import ahead_of, next_start, steered
from rsf_jax.trained.appearance import Appearance
from rsf_jax.trained.model import Trained
from rsf_jax.typing import Array
from rsf_jax.unroll import begin_frame, run_frame

_MOST_FRAMES, _MOST_STEPS = 12, 12  # of a video, of a frame
_MOST_PIXELS = 256  # of the longer side; larger ones are thinned out
_SMALL = 96  # pixels of the longer side up to which frames are kept without loss


def playback(
    trained: Trained, batch: Batch, policy: StepPolicy, look: Appearance
) -> dict[str, Any]:
    """Returns frames and class maps as images, a map for the truth and one for every step.

    Args:
        trained: the model.
        batch: whose videos are shown, their first frames.
        policy: recurrent steps of every frame. Of one that does not decide step by step, and of a
            model without recurrence, the last map is all there is.
        look: colors of the classes; the background is transparent in the maps.

    Returns:
        Plain values: `policy`, `size` [H, W] and `videos`, each a list of frames with `frame`,
        `truth` and `maps` (addresses of images that hold them), and `iou` and `steps` of the maps.
    """
    length = min(batch.frames.shape[1], _MOST_FRAMES)
    videos = []
    for frames, masks in zip(batch.frames[:, :length], batch.masks[:, :length]):
        found = predictions_by_step(trained, frames, policy)
        videos.append(
            [_frame(f, mask, maps, n, look) for f, mask, (maps, n) in zip(frames, masks, found)]
        )
    size = _thinned(batch.masks[0, 0]).shape
    return {"policy": policy_name(policy), "size": list(size), "videos": videos}


def predictions_by_step(
    trained: Trained, frames: np.ndarray, policy: StepPolicy
) -> list[tuple[np.ndarray, int]]:
    """Returns the classes after every recurrent step of each frame of a video.

    Args:
        trained: the model.
        frames: uint8 or float32 [T, H, W, I].
        policy: recurrent steps of every frame.

    Returns:
        For each frame uint8 [N, H, W], the last map what the model says of it, and its number of
        steps: N, but for a frame without a step and for one of whose steps only the last is known.
    """
    model, stateful = trained.model, trained.config.stateful
    shape = (frames.shape[1], frames.shape[2])
    prepared, state = trained.prepare(shape), model.initial_state(1, shape)
    by_step = model.recurrent and isinstance(policy, StepwisePolicy)
    found = []
    for t, frame in enumerate(frames):
        state = with_memory(policy, state, frame[None])
        before, (state, out) = (
            state,
            run_frame(model, prepared, state, frame[None], policy, first=t == 0, stateful=stateful),
        )
        last = np.asarray(out.logits[0].argmax(-1), np.uint8)[None]
        steps = int(out.steps[0])
        if by_step and steps > 1:
            maps = _maps(prepared, policy, before, frame[None], t == 0, steps - 1, stateful)
            last = np.concatenate([np.asarray(maps), last])
        found.append((last, steps))
    return found


@partial(jax.jit, static_argnames=("first", "count", "stateful"))
def _maps(
    prepared: Prepared,
    policy: StepwisePolicy,
    state: State,
    frame: Array,
    first: bool,
    count: int,
    stateful: bool,
) -> Array:
    """Classes after each of the first steps of a frame, uint8 [N, H, W]."""
    recurrence = begin_frame(prepared, state, frame, stateful=stateful)
    carry, active = recurrence.begin(policy.begin(recurrence, first, state.memory))
    policy = bound(policy, recurrence)

    def step(loop: Any, n: Array) -> tuple[Any, Array]:
        carry, ahead = loop
        after = recurrence.step(next_start(carry, ahead))
        carry, ahead = steered(policy, n, carry, after, ahead, active, active)
        return (carry, ahead), recurrence.readout(carry)[0].argmax(-1).astype(jnp.uint8)

    steps = jnp.arange(1, count + 1, dtype=jnp.int32)
    return lax.scan(step, (carry, ahead_of(policy, carry)), steps)[1]


def _frame(
    frame: np.ndarray, mask: np.ndarray, maps: np.ndarray, steps: int, look: Appearance
) -> dict[str, Any]:
    count = len(maps)
    shown = np.unique(np.linspace(0, count - 1, min(count, _MOST_STEPS)).round().astype(int))
    truth = np.broadcast_to(mask.astype(np.int32), (len(shown), *mask.shape))
    iou = class_iou(maps[shown].astype(np.int32), truth, len(look.colors))
    return {
        "frame": _photo(_thinned(frame)),
        "truth": _map(_thinned(mask), look),
        "maps": [_map(_thinned(maps[n]), look) for n in shown],
        "steps": (shown + 1 + steps - count).tolist(),
        "iou": np.asarray(iou, float).round(3).tolist(),
    }


def _thinned(image: np.ndarray) -> np.ndarray:
    """Every so many pixels of a large image [H, W, ...]."""
    factor = -(-max(image.shape[:2]) // _MOST_PIXELS)
    return image[::factor, ::factor]


def _photo(frame: np.ndarray) -> str:
    """A frame, uint8 or float [H, W, C], as the address of an image."""
    from PIL import Image

    shown = as_picture(frame)
    image = Image.fromarray(shown[..., 0] if shown.shape[-1] == 1 else shown)
    return _address(image, "png") if max(image.size) <= _SMALL else _address(image, "jpeg")


def _map(classes: np.ndarray, look: Appearance) -> str:
    """A class map [H, W] as the address of an image: clear where the background is."""
    from PIL import Image

    colors = np.zeros((256, 3), np.uint8)
    colors[: len(look.colors)] = look.colors
    image = Image.fromarray(classes.astype(np.uint8)).convert("P")
    image.putpalette(colors.tobytes())
    clear = {} if look.background is None else {"transparency": look.background}
    return _address(image, "png", **clear)


def _address(image: Any, kind: str, **options: Any) -> str:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
