"""One update, and one evaluation of a batch: pure functions, on one device or under `pmap`."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from rsf_jax.data.batch import Batch
from rsf_jax.gradients import Penalty, Reached
from rsf_jax.measures.images import image_iou
from rsf_jax.measures.losses import FOCAL, Objective
from rsf_jax.models.base import Prepared, State, VideoModel, prepare
from rsf_jax.ops.held import as_held, as_varying
from rsf_jax.ops.meshes import automatic
from rsf_jax.ops.norm import RUNNING
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import FixedSchedule
from rsf_jax.policies.base import Recurrence
from rsf_jax.training import streams
from rsf_jax.training.pondering import Pondering, Taken
from rsf_jax.training.randomness import keys_of_frames, keys_of_videos
from rsf_jax.training.state import TrainState
from rsf_jax.typing import Array, Carry, Float, Frame, Int, Variables
from rsf_jax.unroll import begin_frame, scan_frames


class Means(NamedTuple):
    """Means over a batch, or what has come of them so far.

    Attributes:
        loss: float32, of the objective.
        miou: float32 [2], sum of the images' IoU of the foreground, of more than two classes of
            the mean IoU of the classes in it, and of the shares that were summed: an image without
            a label has none.
        penalty: float32, without its weight; 0 without one.
        pondering: float32 [2], cost of pondering, without its weight, and expected steps of a
            frame; 0 without a halting head.
    """

    loss: Array
    miou: Array
    penalty: Array
    pondering: Array


class Gradients(NamedTuple):
    """What an update needs of a batch.

    Attributes:
        loss, miou, penalty, pondering: see `Means`.
        gradients: of the loss, the weighted penalty and the weighted cost of pondering, as the
            parameters.
        model_state: the running statistics after the batch, if the model has them.
        carry: the state that each video leaves; nothing without recurrence.
    """

    loss: Array
    miou: Array
    penalty: Array
    pondering: Array
    gradients: Any
    model_state: Any
    carry: Carry


TrainStep = Callable[[TrainState, Batch], tuple[TrainState, dict[str, Array]]]


def make_train_step(
    model: VideoModel,
    schedule: FixedSchedule,
    optimizer: optax.GradientTransformation,
    *,
    stateful: bool = True,
    objective: Objective = FOCAL,
    penalty: Penalty | None = None,
    pondering: Pondering | None = None,
    gradient_frames: int = 1,
    continues: bool | None = None,
    axis_name: str | None = None,
) -> TrainStep:
    """Returns the function that does one update.

    Args:
        model: the model.
        schedule: recurrent steps of every frame, and how they are differentiated.
        optimizer: as given to `create_state`.
        stateful: carry the hidden state across frames.
        objective: the loss of an image.
        penalty: what is added to the loss of every frame of a recurrent model.
        pondering: how a halting head weighs the steps of a frame; None for the last one alone.
        gradient_frames: as for `video_gradients`.
        continues: of streams that are trained on in chunks, whether those of the batch go on from
            what is left of them in the state, or begin; None for whole videos.
        axis_name: the axis of `pmap`, over which gradients are summed; None on one device.

    Returns:
        A pure function from state and batch to the next state and the metrics `loss`, `miou`,
        `grad_norm`, with a penalty `penalty`, and with a halting head `ponder_cost` and
        `expected_steps`, means over the batch's videos by weight; `miou` over the frames that have
        labels, NaN if none has.
    """

    def all_sum(tree: Any) -> Any:
        return tree if axis_name is None else lax.psum(tree, axis_name)

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Array]]:
        # Under `shard_map`: gradients of what every device has alike would be summed already.
        variables = as_varying(state.variables, batch)
        shares = batch.weights / all_sum(batch.weights.sum())
        start = None
        if continues:
            start = streams.take(state.streams, state.step, len(batch.weights), axis_name)
        keys = None
        if penalty is not None and penalty.seed is not None:
            keys = keys_of_videos(penalty.seed, state.step, len(batch.weights), axis_name)
        *sums, model_state, carry = video_gradients(
            model,
            variables,
            batch,
            shares,
            schedule,
            stateful=stateful,
            objective=objective.at(state.step),
            penalty=penalty,
            pondering=pondering,
            gradient_frames=gradient_frames,
            start=start,
            keys=keys,
        )
        loss, miou, excess, pondered, gradients = all_sum(sums)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = {"loss": loss, "miou": miou[0] / miou[1], "grad_norm": optax.tree.norm(gradients)}
        if penalty is not None:
            metrics["penalty"] = excess
        if pondering is not None:
            metrics |= {"ponder_cost": pondered[0], "expected_steps": pondered[1]}
        left = state.streams
        if continues is not None:
            left = streams.put(left, state.step, carry, axis_name)
        return TrainState(state.step + 1, params, model_state, opt_state, left), metrics

    return lambda state, batch: automatic(train_step)(state, batch)


def video_gradients(
    model: VideoModel,
    variables: Variables,
    batch: Batch,
    shares: Float[Array, " B"],
    schedule: FixedSchedule,
    *,
    stateful: bool = True,
    objective: Objective = FOCAL,
    penalty: Penalty | None = None,
    pondering: Pondering | None = None,
    gradient_frames: int = 1,
    start: Carry | None = None,
    keys: Array | None = None,
) -> Gradients:
    """Returns loss, mIoU and gradients of a batch.

    Recurrent models are differentiated within each frame alone, by the schedule's estimator: the
    gradient of a video is the sum of its frames' gradients, because states are not differentiated
    across frames. It is accumulated inside the scan over frames, so memory does not grow with
    their number. With more `gradient_frames` the frames of a video are taken so many at a time, and
    states are differentiated across those. Other models see whole videos.

    Args:
        model: the model.
        variables: parameters, and running statistics if the model has them.
        batch: the videos.
        shares: float32 [B], what each video contributes to the mean loss.
        schedule: recurrent steps of every frame, and how they are differentiated.
        stateful: carry the hidden state across frames.
        objective: the loss of an image.
        penalty: what is added to the loss of every frame of a recurrent model.
        pondering: how a halting head weighs the steps of a frame; None for the last one alone.
        gradient_frames: frames that states are differentiated across, 1 as published.
        start: what the videos go on from, as later frames; None for their beginning.
        keys: of the penalty's random numbers, one for each video [B]; None for those of its seed.

    Source: Wang et al. 2023, section 4.2.
    """
    if model.recurrent:
        loss = FrameLoss(model, schedule, stateful, objective, penalty, pondering)
        return _recurrent_gradients(loss, variables, batch, shares, gradient_frames, start, keys)
    return _feedforward_gradients(model, variables, batch, shares, objective)


@dataclasses.dataclass(frozen=True)
class FrameLoss:
    """The loss of one frame of a recurrent model; the arguments are those of `video_gradients`."""

    model: VideoModel
    schedule: FixedSchedule
    stateful: bool
    objective: Objective
    penalty: Penalty | None
    pondering: Pondering | None = None

    def __call__(
        self,
        prepared: Prepared,
        state: State,
        frame: Frame,
        labels: Int[Array, "B H W"],
        shares: Float[Array, " B"],
        keys: Array | None,
        first: bool,
    ) -> tuple[Array, tuple[State, Means]]:
        """Returns the sum to be differentiated, and the next state with the means to report."""
        frame_of = begin_frame(prepared, state, frame, stateful=self.stateful)
        taken = self._run(frame_of, labels, first)
        loss = jnp.sum(taken.losses * shares)
        iou = image_iou(taken.logits, labels)
        means = _no_means()._replace(loss=loss, miou=_share_of_labeled(iou, shares))
        if self.penalty is not None:
            keys = keys_of_frames(keys, state.frame_index)
            excess = jnp.sum(self.penalty(frame_of.step, taken.reached.before, keys) * shares)
            loss, means = loss + self.penalty.weight * excess, means._replace(penalty=excess)
        if self.pondering is not None:
            pondered = jnp.stack([jnp.sum(x * shares) for x in (taken.costs, taken.steps)])
            loss = loss + self.pondering.weight * pondered[0]
            means = means._replace(pondering=pondered)
        return loss, (State(taken.left, state.frame_index + 1), means)

    def _run(self, frame_of: Recurrence, labels: Int[Array, "B H W"], first: bool) -> Taken:
        """Takes the steps of a frame."""
        length = self.schedule.length(first)
        if self.pondering is not None:
            estimator = self.schedule.gradient
            return self.pondering(frame_of, estimator, length, labels, self.objective)
        decay = self.objective.step_decay
        if not decay:
            reached = self.schedule.reach(frame_of.step, frame_of.start, first)
            logits = frame_of.readout(reached.after)
            return Taken(reached, reached.after, logits, self.objective(logits, labels))

        def body(loop: tuple[Reached, Any], _: None) -> tuple[tuple[Reached, Any], None]:
            last, losses = loop
            reached = self.schedule.gradient.unroll(frame_of.step, last.after, 1)
            here = self.objective(frame_of.readout(reached.after), labels)
            return (reached, decay * losses + here), None

        begun = (Reached(frame_of.start, frame_of.start), jnp.zeros(labels.shape[0], jnp.float32))
        start = as_varying(begun, (frame_of.start, labels))
        reached, losses = lax.scan(body, start, length=length)[0]
        return Taken(reached, reached.after, frame_of.readout(reached.after), losses)


@dataclasses.dataclass(frozen=True)
class WindowLoss:
    """The loss of consecutive frames, through whose states it is differentiated."""

    of_frame: FrameLoss

    def __call__(
        self,
        prepared: Prepared,
        state: State,
        window: tuple[Array, Array],
        shares: Float[Array, " B"],
        keys: Array | None,
        first: bool,
    ) -> tuple[Array, tuple[State, Any]]:
        """Returns as `FrameLoss` does, of frames and labels [G, B, ...] together."""

        def body(carry: Any, x: Any, first: bool) -> tuple[Any, None]:
            state, *sums = carry
            frame, labels = as_float(x[0]), x[1].astype(jnp.int32)
            loss, (state, means) = self.of_frame(
                prepared, state, frame, labels, shares, keys, first
            )
            return (state, *jax.tree.map(jnp.add, sums, [loss, means])), None

        if len(window[0]) == 1:  # as published: a loop of one frame would take longer
            frame, labels = as_float(window[0][0]), window[1][0].astype(jnp.int32)
            return self.of_frame(prepared, state, frame, labels, shares, keys, first)
        nothing = as_varying((jnp.float32(0), _no_means()), (window, prepared, state))
        start = (state, *nothing)
        (state, loss, means), _ = scan_frames(body, start, window, first)
        return loss, (state, means)


def _no_means() -> Means:
    return Means(jnp.float32(0), jnp.zeros(2), jnp.float32(0), jnp.zeros(2))


def _recurrent_gradients(
    frame_loss: FrameLoss,
    variables: Variables,
    batch: Batch,
    shares: Float[Array, " B"],
    gradient_frames: int,
    start: Carry | None,
    keys: Array | None,
) -> Gradients:
    model, schedule = frame_loss.model, frame_loss.schedule
    frame_shape = (batch.frames.shape[2], batch.frames.shape[3])
    # What depends on the parameters alone is computed once, and its cotangent pulled back once.
    # See docs/decisions/0006-memory-of-gradients.md.
    prepared, pull_back = jax.vjp(
        lambda p: prepare(model, {"params": p}, frame_shape), variables["params"]
    )
    frame_shares = shares / batch.frames.shape[1]
    # The state in front of a window is no argument that is differentiated: there gradients end.
    differentiate = jax.value_and_grad(WindowLoss(frame_loss), has_aux=True)

    def body(carry: Any, window: Any, first: bool) -> tuple[Any, None]:
        state, totals = carry
        (_, (state, means)), gradients = differentiate(
            prepared, state, window, frame_shares, keys, first
        )
        return (state, jax.tree.map(jnp.add, totals, (means, gradients))), None

    state = model.initial_state(batch.frames.shape[0], frame_shape)
    if start is not None:
        state = dataclasses.replace(state, carry=start)
    state = as_held(state, batch, prepared)
    zeros = (_no_means(), jax.tree.map(jnp.zeros_like, prepared))
    zeros = as_varying(zeros, (batch, prepared))
    frames_first = (jnp.moveaxis(batch.frames, 1, 0), jnp.moveaxis(batch.masks, 1, 0))
    singles_out_first = schedule.singles_out_first_frame and start is None
    state, (means, gradients) = _scan_windows(
        body, (state, zeros), frames_first, gradient_frames, singles_out_first
    )
    of_params = pull_back(gradients)[0]
    return Gradients(**means._asdict(), gradients=of_params, model_state={}, carry=state.carry)


def _scan_windows(
    body: Callable[[Any, Any, bool], tuple[Any, None]],
    carry: Any,
    xs: Any,
    size: int,
    singles_out_first: bool,
) -> Any:
    """Scans over windows of `size` frames, the last of which may have fewer; returns the carry."""
    length = len(jax.tree.leaves(xs)[0])
    whole = length - length % size
    by_window = jax.tree.map(lambda x: x[:whole].reshape(-1, size, *x.shape[1:]), xs)
    if whole:
        carry, _ = scan_frames(body, carry, by_window, singles_out_first)
    if whole < length:
        rest = jax.tree.map(lambda x: x[whole:], xs)
        carry, _ = body(carry, rest, singles_out_first and whole == 0)
    return carry


def _feedforward_gradients(
    model: VideoModel,
    variables: Variables,
    batch: Batch,
    shares: Float[Array, " B"],
    objective: Objective,
) -> Gradients:
    model_state = {name: value for name, value in variables.items() if name != "params"}
    frames, labels = as_float(batch.frames), batch.masks.astype(jnp.int32)

    def video_loss(params: Any) -> tuple[Array, tuple[Array, Any]]:
        logits, changed = model.apply(
            {"params": params, **model_state}, frames, method="video", mutable=[RUNNING]
        )
        losses, iou = objective(logits, labels), image_iou(logits, labels)
        frame_shares = jnp.broadcast_to(shares[:, None] / iou.shape[1], iou.shape)
        miou = _share_of_labeled(iou, frame_shares)
        return jnp.sum(losses.mean(1) * shares), (miou, changed)

    (loss, (miou, changed)), gradients = jax.value_and_grad(video_loss, has_aux=True)(
        variables["params"]
    )
    means = _no_means()._replace(loss=loss, miou=miou)
    return Gradients(**means._asdict(), gradients=gradients, model_state=changed, carry=())


def _share_of_labeled(
    iou: Float[Array, "*axes"], shares: Float[Array, "*axes"]
) -> Float[Array, " 2"]:
    """Sums of IoU times share, and of the shares, of the images that have labels."""
    labeled = ~jnp.isnan(iou)
    return jnp.stack([jnp.sum(jnp.where(labeled, iou, 0) * shares), jnp.sum(labeled * shares)])
