"""Learned halting: what a frame costs whose steps end by the model's halting head.

Steps are made as often as the schedule says; the head says how much each counts. What the next
frame starts from is the state that the frame would leave in a test, under `ponder:0.5:N` or
`act:EPSILON:N`, N the steps of the schedule: training and test see the same states. See
docs/decisions/0032-learned-halting.md.
"""

import dataclasses
import math
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.config.config import Config
from rsf_jax.gradients import Estimator, Reached
from rsf_jax.measures.losses import Objective
from rsf_jax.models.halting_head import PONDER
from rsf_jax.ops.held import as_varying
from rsf_jax.ops.select import select
from rsf_jax.policies.act import EPSILON, begin_weighing, mean_with, weigh
from rsf_jax.policies.base import Recurrence
from rsf_jax.policies.ponder import MEDIAN
from rsf_jax.typing import Array, Carry, Float, FrameLogits, Int


class Taken(NamedTuple):
    """What the steps of a frame come to.

    Attributes:
        reached: the states in front of and after the last step.
        left: the state that the next frame starts from.
        logits: of that state.
        losses: float32 [B], of the objective.
        costs: float32 [B], what pondering costs, without its weight; None without a halting head.
        steps: float32 [B], expected number of steps; likewise.
    """

    reached: Reached
    left: Carry
    logits: FrameLogits
    losses: Float[Array, " B"]
    costs: Any = None
    steps: Any = None


@runtime_checkable
class Pondering(Protocol):
    """How the steps of a frame are weighed by a halting head."""

    @property
    def weight(self) -> float:
        """Of the cost, in the sum that is differentiated."""

    def __call__(
        self,
        recurrence: Recurrence,
        estimator: Estimator,
        length: int,
        labels: Int[Array, "B H W"],
        objective: Objective,
    ) -> Taken:
        """Takes the steps of a frame.

        Args:
            recurrence: of the frame, with a halting head.
            estimator: how each step is differentiated.
            length: steps N, at least 1.
            labels: class indices.
            objective: the loss of an image.
        """


@dataclasses.dataclass(frozen=True)
class PonderNet:
    """The loss expected under the halting probabilities, and how far these are from a prior.

        p_n = lambda_n prod_{i<n} (1 - lambda_i),  p_N = prod_{i<N} (1 - lambda_i)
        sum_n p_n L_n + weight KL(p || q)

    with lambda_n the head's probability after step n, and q the geometric distribution of `prior`,
    cut at N as p is: its last step gets what remains.

    Attributes:
        prior: probability of halting after a step, in the prior.
        weight: of the divergence, beta.

    Source: Banino et al. 2021, eq. 2 to 4. There nothing is said of the remainder.
    """

    prior: float
    weight: float

    def __call__(
        self,
        recurrence: Recurrence,
        estimator: Estimator,
        length: int,
        labels: Int[Array, "B H W"],
        objective: Objective,
    ) -> Taken:
        """Takes the steps of a frame; see `Pondering`."""
        halting = _halting(recurrence)
        goes_on, halts = math.log1p(-self.prior), math.log(self.prior)

        def body(loop: Any, n: Array) -> tuple[Any, None]:
            last, left, log_alive, losses, costs, steps = loop
            reached = estimator.unroll(recurrence.step, last.after, 1)
            logit = halting(reached)
            is_last = n == length
            log_p = log_alive + jnp.where(is_last, 0.0, jax.nn.log_sigmoid(logit))
            log_q = (n - 1) * goes_on + jnp.where(is_last, 0.0, halts)
            p = jnp.exp(log_p)
            here = objective(recurrence.readout(reached.after), labels)
            # As a policy would: a frame that has ended keeps its state.
            ended = jnp.exp(log_alive) <= 1 - MEDIAN
            return (
                reached,
                select(ended, left, reached.after),
                log_alive + jax.nn.log_sigmoid(-logit),
                losses + p * here,
                costs + p * (log_p - log_q),
                steps + p * n,
            ), None

        start = recurrence.start
        zeros = (jnp.zeros(labels.shape[0], jnp.float32),) * 4
        loop = as_varying((Reached(start, start), start, *zeros), (start, labels))
        loop, _ = lax.scan(body, loop, jnp.arange(1, length + 1, dtype=jnp.int32))
        reached, left, _, *found = loop
        return Taken(reached, left, recurrence.readout(left), *found)


@dataclasses.dataclass(frozen=True)
class ACT:
    """The loss of the mean state, and what its steps cost.

        N = min{n: p_1 + ... + p_n >= 1 - epsilon},  R = 1 - sum_{n<N} p_n
        state = sum_{n<N} p_n h_n + R h_N
        L(state) + weight (N + R)

    with p_n the head's score after step n, and N at most the steps of the schedule. N has no
    derivative. States are those of the recurrence as it is; the next frame starts from the mean.

    Attributes:
        weight: of steps and remainder, tau.
        epsilon: what may be missing to one.

    Source: Graves 2016, section 2 and eq. 6 to 14; its output, there linear in the state, is the
    readout of the mean state here.
    """

    weight: float
    epsilon: float = EPSILON

    def __call__(
        self,
        recurrence: Recurrence,
        estimator: Estimator,
        length: int,
        labels: Int[Array, "B H W"],
        objective: Objective,
    ) -> Taken:
        """Takes the steps of a frame; see `Pondering`."""
        halting = _halting(recurrence)

        def body(loop: Any, n: Array) -> tuple[Any, None]:
            last, left, weighed, (total, costs, steps) = loop
            reached = estimator.unroll(recurrence.step, last.after, 1)
            score = jax.nn.sigmoid(halting(reached))
            ended = total >= 1 - self.epsilon
            is_last = (total + score >= 1 - self.epsilon) | (n == length)
            mean = mean_with(weighed, reached.after)
            # Up to the last step, with which the remainder is known.
            cost = 1 + jnp.where(is_last, 1 - total, 0)
            return (
                reached,
                select(ended, left, mean),
                weigh(weighed, reached.after, score),
                (
                    total + jnp.where(ended, 0, score),
                    costs + jnp.where(ended, 0, cost),
                    steps + jnp.where(ended, 0, 1),
                ),
            ), None

        start = recurrence.start
        sums = (jnp.zeros(labels.shape[0], jnp.float32),) * 3
        loop = (Reached(start, start), start, begin_weighing(start), sums)
        loop = as_varying(loop, (start, labels))
        loop, _ = lax.scan(body, loop, jnp.arange(1, length + 1, dtype=jnp.int32))
        reached, left, _, (_, costs, steps) = loop
        logits = recurrence.readout(left)
        return Taken(reached, left, logits, objective(logits, labels), costs, steps)


def build_pondering(config: Config) -> Pondering | None:
    """Returns how a run weighs the steps of a frame; None without a halting head."""
    if not config.halting_head:
        return None
    if config.halting_head == PONDER:
        return PonderNet(config.ponder_prior, config.ponder_cost)
    return ACT(config.ponder_cost)


def _halting(recurrence: Recurrence) -> Any:
    """What gives the logits of halting, of states that were reached."""
    head = recurrence.halting
    assert head is not None  # the configuration has one
    return lambda reached: head.logit(reached.before, reached.after)
