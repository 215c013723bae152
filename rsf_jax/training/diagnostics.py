"""How far a model's recurrence is from a converged one, measured while it trains."""

from functools import partial

import flax.struct
import jax
import jax.numpy as jnp

from rsf_jax.data.batch import Batch
from rsf_jax.gradients import Reached, neumann_series
from rsf_jax.gradients.floats import floats, with_floats
from rsf_jax.gradients.penalty import LipschitzPenalty
from rsf_jax.gradients.spectrum import norms, spectral_radius
from rsf_jax.measures.losses import FOCAL, Objective
from rsf_jax.models.base import State, VideoModel, prepare
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import FixedSchedule
from rsf_jax.policies.base import Recurrence
from rsf_jax.typing import Array, Leaf, Variables
from rsf_jax.unroll import begin_frame, scan_frames


@flax.struct.dataclass
class Diagnosis:
    """What is measured at the last step of every frame, J its Jacobian; float32 [B, T] each.

    Attributes:
        spectral_radius: the largest modulus of an eigenvalue of J, estimated; below 1, steps
            near this state converge.
        penalty: Lipschitz coefficient penalty, without its weight.
        neumann_terms: powers of J^T that recurrent back-propagation would use.
        residual: ||h_N - h_{N-1}|| / ||h_N||, what the last step still changed.
    """

    spectral_radius: Leaf
    penalty: Leaf
    neumann_terms: Leaf
    residual: Leaf


@partial(jax.jit, static_argnames=("model", "stateful", "objective", "terms", "guard", "bound"))
def diagnose(
    model: VideoModel,
    variables: Variables,
    batch: Batch,
    schedule: FixedSchedule,
    *,
    stateful: bool = True,
    objective: Objective = FOCAL,
    terms: int = 15,
    guard: str = "sample",
    bound: float = 0.9,
) -> Diagnosis:
    """Measures the recurrence of every frame of a batch of videos.

    Args:
        model: a recurrent model.
        variables: its parameters.
        batch: the videos.
        schedule: recurrent steps of every frame.
        stateful: carry the hidden state across frames.
        objective: the loss, whose gradient the Neumann series begins with.
        terms: most terms of the series.
        guard: what ends it early, see `neumann_series`.
        bound: of the penalty.
    """
    prepared = prepare(model, variables, batch.frames.shape[2:4])
    penalty = LipschitzPenalty(bound=bound)

    def measure(recurrence: Recurrence, reached: Reached, labels: Array) -> Diagnosis:
        def moving(values: Leaf) -> Leaf:
            return floats(recurrence.step(with_floats(reached.before, values)))

        _, pull_back = jax.vjp(moving, floats(reached.before))

        def transpose(v: Leaf) -> Leaf:
            return pull_back(v)[0]

        def loss(values: Leaf) -> Array:
            carry = with_floats(reached.after, values)
            return objective(recurrence.readout(carry), labels).sum()

        end = floats(reached.after)
        series = neumann_series(transpose, jax.grad(loss)(end), terms, guard)
        after, before = (recurrence.hidden(carry) for carry in (reached.after, reached.before))
        return Diagnosis(
            spectral_radius(transpose, end),
            penalty(recurrence.step, reached.before),
            series.terms.astype(jnp.float32),
            norms(after - before) / norms(after),
        )

    def body(state: State, x: tuple[Array, Array], first: bool) -> tuple[State, Diagnosis]:
        frame, labels = as_float(x[0]), x[1].astype(jnp.int32)
        recurrence = begin_frame(prepared, state, frame, stateful=stateful)
        reached = schedule.reach(recurrence.step, recurrence.start, first)
        next_state = State(reached.after, state.frame_index + 1)
        return next_state, measure(recurrence, reached, labels)

    start = model.initial_state(batch.frames.shape[0], batch.frames.shape[2:4])
    frames_first = (jnp.moveaxis(batch.frames, 1, 0), jnp.moveaxis(batch.masks, 1, 0))
    _, found = scan_frames(body, start, frames_first, schedule.singles_out_first_frame)
    return jax.tree.map(jnp.transpose, found)
