"""One update, and one evaluation of a batch: pure functions, on one device or under `pmap`."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax import lax

from rsf_jax.losses import focal_loss
from rsf_jax.metrics import foreground_iou, foreground_scores
from rsf_jax.models import Prepared, VideoModel, prepare
from rsf_jax.policies import FixedSchedule, StepPolicy
from rsf_jax.training.state import TrainState
from rsf_jax.typing import Array, Float, Leaf, Variables
from rsf_jax.unroll import advance, advance_once, run_video, scan_frames


@flax.struct.dataclass
class Batch:
    """Videos as they are stored, and how much each counts.

    Attributes:
        frames: uint8 [B, T, H, W, 1] in 0..255, or float32 in 0..1.
        masks: uint8 [B, T, H, W], class of every pixel.
        weights: float32 [B], 1 for a video and 0 for padding.
    """

    frames: Leaf
    masks: Leaf
    weights: Leaf


@flax.struct.dataclass
class Scores:
    """Scores of each video of a batch.

    Attributes:
        loss: float32 [B], focal loss, mean over pixels and frames.
        foreground: float32 [B, T] each, how well the foreground of every frame is found.
        steps: int32 [B, T], recurrent steps spent.
    """

    loss: Leaf
    foreground: Leaf
    steps: Leaf


class Gradients(NamedTuple):
    """What an update needs of a batch.

    Attributes:
        loss: float32, mean focal loss.
        miou: float32, mean foreground IoU.
        gradients: of the loss, as the parameters.
        model_state: the running statistics after the batch, if the model has them.
    """

    loss: Array
    miou: Array
    gradients: Any
    model_state: Any


TrainStep = Callable[[TrainState, Batch], tuple[TrainState, dict[str, Array]]]


def make_train_step(
    model: VideoModel,
    schedule: FixedSchedule,
    optimizer: optax.GradientTransformation,
    *,
    stateful: bool = True,
    focal_gamma: float = 2.0,
    axis_name: str | None = None,
) -> TrainStep:
    """Returns the function that does one update.

    Args:
        model: the model.
        schedule: recurrent steps of every frame.
        optimizer: as given to `create_state`.
        stateful: carry the hidden state across frames.
        focal_gamma: exponent of the focal loss.
        axis_name: the axis of `pmap`, over which gradients are summed; None on one device.

    Returns:
        A pure function from state and batch to the next state and the metrics `loss`, `miou` and
        `grad_norm`, means over the batch's videos by weight.
    """

    def all_sum(tree: Any) -> Any:
        return tree if axis_name is None else lax.psum(tree, axis_name)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Array]]:
        shares = batch.weights / all_sum(batch.weights.sum())
        *sums, model_state = video_gradients(
            model, state.variables, batch, shares, schedule, stateful=stateful, gamma=focal_gamma
        )
        loss, miou, gradients = all_sum(sums)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = {"loss": loss, "miou": miou, "grad_norm": optax.tree.norm(gradients)}
        return TrainState(state.step + 1, params, model_state, opt_state), metrics

    return train_step


def video_gradients(
    model: VideoModel,
    variables: Variables,
    batch: Batch,
    shares: Float[Array, " B"],
    schedule: FixedSchedule,
    *,
    stateful: bool = True,
    gamma: float = 2.0,
) -> Gradients:
    """Returns loss, mIoU and gradients of a batch.

    Recurrent models are back-propagated within each frame alone: the gradient of a video is the
    sum of its frames' gradients, because states are not differentiated across frames. It is
    accumulated inside the scan over frames, so memory does not grow with their number. What
    depends on the parameters alone is computed once, and its cotangent pulled back once, after the
    scan.

    Args:
        model: the model.
        variables: parameters, and running statistics if the model has them.
        batch: the videos.
        shares: float32 [B], what each video contributes to the mean loss.
        schedule: recurrent steps of every frame.
        stateful: carry the hidden state across frames.
        gamma: exponent of the focal loss.

    Source: Wang et al. 2023, section 4.2.
    """
    model_state = {name: value for name, value in variables.items() if name != "params"}
    frame_shape = (batch.frames.shape[2], batch.frames.shape[3])
    prepared, pull_back = jax.vjp(
        lambda p: prepare(model, {"params": p}, frame_shape), variables["params"]
    )
    frame_loss = _frame_loss(model, schedule, shares / batch.frames.shape[1], stateful, gamma)
    start = (model.initial_state(batch.frames.shape[0], frame_shape), model_state)
    frames_first = (jnp.moveaxis(batch.frames, 1, 0), jnp.moveaxis(batch.masks, 1, 0))
    differentiate = _within_frames if model.truncated else _through_frames
    (loss, miou, gradients), (_, model_state) = differentiate(
        frame_loss, prepared, start, frames_first, schedule.singles_out_first_frame
    )
    return Gradients(loss, miou, pull_back(gradients)[0], model_state)


# (prepared, (state, running statistics), (frames, masks), first) -> loss, (the next ones, mIoU)
FrameLoss = Callable[[Prepared, Any, Any, bool], tuple[Array, tuple[Any, Array]]]


def _frame_loss(
    model: VideoModel,
    schedule: FixedSchedule,
    shares: Float[Array, " B"],
    stateful: bool,
    gamma: float,
) -> FrameLoss:
    """Returns the function of one frame's share of the loss."""

    def frame_loss(
        prepared: Prepared, carry: Any, x: Any, first: bool
    ) -> tuple[Array, tuple[Any, Array]]:
        state, model_state = carry
        frame, labels = _as_float(x[0]), x[1].astype(jnp.int32)
        if model.recurrent:
            state, out = advance(
                model, prepared, state, frame, schedule, first=first, stateful=stateful
            )
        else:
            prepared = Prepared({**prepared.variables, **model_state}, prepared.frame_shape)
            state, out, model_state = advance_once(
                model, prepared, state, frame, stateful=stateful, training=True
            )
        losses = focal_loss(out.logits, labels, gamma).mean((1, 2))
        iou = foreground_iou(out.logits.argmax(-1) > 0, labels > 0)
        miou = jnp.sum(iou * shares)
        return jnp.sum(losses * shares), ((state, model_state), miou)

    return frame_loss


def _within_frames(
    frame_loss: FrameLoss, prepared: Prepared, start: Any, xs: Any, singles_out_first_frame: bool
) -> tuple[Any, Any]:
    """Adds up the gradients of frames, each starting from a state taken as given."""

    def body(loop: Any, x: Any, first: bool) -> tuple[Any, None]:
        carry, totals = loop
        (loss, (carry, miou)), gradients = jax.value_and_grad(frame_loss, has_aux=True)(
            prepared, lax.stop_gradient(carry), x, first
        )
        return (carry, jax.tree.map(jnp.add, totals, (loss, miou, gradients))), None

    zeros = (jnp.float32(0), jnp.float32(0), jax.tree.map(jnp.zeros_like, prepared))
    (carry, totals), _ = scan_frames(body, (start, zeros), xs, singles_out_first_frame)
    return totals, carry


def _through_frames(
    frame_loss: FrameLoss, prepared: Prepared, start: Any, xs: Any, singles_out_first_frame: bool
) -> tuple[Any, Any]:
    """Differentiates the whole video, for models that can only learn through its frames."""

    def video_loss(prepared: Prepared) -> tuple[Array, Any]:
        # Kept of every frame is what it starts from; the rest is computed again.
        @partial(jax.checkpoint, static_argnums=(2,), prevent_cse=False)
        def body(carry: Any, x: Any, first: bool) -> tuple[Any, Any]:
            loss, (carry, miou) = frame_loss(prepared, carry, x, first)
            return carry, (loss, miou)

        carry, (losses, mious) = scan_frames(body, start, xs, singles_out_first_frame)
        return losses.sum(), (mious.sum(), carry)

    (loss, (miou, carry)), gradients = jax.value_and_grad(video_loss, has_aux=True)(prepared)
    return (loss, miou, gradients), carry


def score_batch(
    model: VideoModel,
    prepared: Prepared,
    batch: Batch,
    policy: StepPolicy,
    *,
    stateful: bool = True,
    gamma: float = 2.0,
) -> Scores:
    """Runs a model over a batch and scores every video; weights are left to the caller."""
    out = run_video(model, prepared, _as_float(batch.frames), policy, stateful=stateful)
    labels = batch.masks.astype(jnp.int32)
    losses = focal_loss(out.logits, labels, gamma).mean((1, 2, 3))
    foreground = foreground_scores(out.logits.argmax(-1) > 0, labels > 0)
    return Scores(losses, foreground, out.steps)


def _as_float(frames: Array) -> Array:
    return frames.astype(jnp.float32) / 255 if frames.dtype == jnp.uint8 else frames
