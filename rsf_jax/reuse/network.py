"""Wraps a network so that it recomputes only what has changed since the last frame."""

import copy
import difflib
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import whole
from rsf_jax.errors import InputError
from rsf_jax.models.base import VideoModel
from rsf_jax.models.feedforward import FeedforwardModel
from rsf_jax.reuse.choosing import Chosen, choose
from rsf_jax.reuse.description import computed_densely, describe
from rsf_jax.reuse.functions import Network, as_function
from rsf_jax.reuse.given import check_finite, check_thresholds, frames_of
from rsf_jax.reuse.graph import Node
from rsf_jax.reuse.program import METHODS, Program
from rsf_jax.reuse.search import Trial
from rsf_jax.reuse.state import ReuseState, Way, Weights
from rsf_jax.reuse.trace import trace
from rsf_jax.shown import short
from rsf_jax.typing import Array, Variables


class ReuseNetwork:
    """A feedforward network that is brought up to date from frame to frame.

        reuse = ReuseNetwork(network, variables)
        state = reuse.init(frame)
        state, output = reuse.step(state, next_frame)

    The network is traced, not rewritten: any Flax module, or function of JAX. Convolutions,
    transposed ones too, pooling, resizing, slices, borders, what acts at every pixel alone (dense
    layers, normalization with fixed statistics or over channels, softmax), in any order and with
    any skips, are computed where something has changed. Statistics of the whole frame, as in
    squeeze-and-excitation or group normalization, are kept like maps: once they change, so does
    everything behind them. From where a network cannot be reused it is computed densely, for every
    frame; `describe` says from where.

    Every map is compared with the last frame's by tiles. Tiles that see a change are computed
    again, in a loop over them that is compiled once; where too many do, the whole map is. A frame
    of which reuse could not save enough, as after a scene cut, is processed as the dense network
    does it; reuse begins anew with the first frame that resembles the one before.

    `init` and `step` are also for `jax.jit` and `jax.lax.scan`, the state being a pytree:

        state, outputs = jax.lax.scan(reuse.step, reuse.init(clip[0]), clip)

    Args:
        network: a Flax module that maps a frame to an output of any structure, of Linen or NNX, or
            a function `(variables, frame) -> output`. It is run as it is called: an NNX module that
            is to be in inference is set so (`eval`) before.
        variables: its variables; of an NNX module None for its own.
        method: "region" computes what has changed from its inputs; "residual", the Recurrent
            Residual Module, convolves the difference to the former input and adds it to the former
            result.
        thresholds: a value of a map that would change by no more keeps the old one. One number for
            all layers, one for each, or a mapping of names of layers, see `layers`, in which those
            left out have 0. With 0 the result is that of the network, to rounding.
        refresh_every: frames after which everything is computed as a whole; 0 for never. It ends
            what truncation and, with "residual", rounding have added up to.
        tile_side: height and width of a tile in pixels: tiles are computed unless all are due.
            None leaves both to a model of costs.

    Raises:
        InputError: if a setting is none of these.

    Source: Pan et al. 2018, Recurrent Residual Module, for "residual"; Khachatourian 2019 for
    "region", with one bounding box instead of tiles.
    """

    def __init__(
        self,
        network: Network,
        variables: Variables | None = None,
        *,
        method: str = "region",
        thresholds: float | np.ndarray | Mapping[str, float] = 0.0,
        refresh_every: SupportsIndex = 0,
        tile_side: SupportsIndex | None = None,
    ) -> None:
        if method not in METHODS:
            raise InputError(f"method is {method!r}: choose one of {', '.join(METHODS)}")
        self._refresh_every = whole("refresh_every", refresh_every, 0)
        self._tile_side = None if tile_side is None else whole("tile_side", tile_side)
        self._apply, self._variables = as_function(network, variables)
        self._named = type(network).__name__ if network is not self._apply else short(network)
        self._number = next(_NUMBERS)
        self._method, self._thresholds = method, thresholds
        check_thresholds(thresholds)
        self._compiled: dict[Any, _Compiled] = {}

    def __repr__(self) -> str:
        """Returns a line: what it runs and how, and what is not reused of frames it has seen."""
        dense = {node.name for c in self._compiled.values() for node in _first_dense(c)}
        known = f", computed densely from layer {' or '.join(sorted(dense))} on" if dense else ""
        return (
            f"<ReuseNetwork {self._named}, {short(self._variables)}, method {self._method}, "
            f"thresholds {short(self._thresholds)}{known}>"
        )

    @property
    def is_exact(self) -> bool:
        """Whether a frame's output owes nothing to frames before, up to the rounding of one frame.

        Thresholds above 0 keep values of frames before, and differences add up their rounding.
        """
        thresholds = self._thresholds
        values = thresholds.values() if isinstance(thresholds, Mapping) else [thresholds]
        return self._method != "residual" and all(np.max(value) <= 0 for value in values)

    def describe(self, frame: Array) -> str:
        """Says what of the network is reused, and from which layer on it is computed densely.

        Args:
            frame: float [B, H, W, C], of which the shape counts.
        """
        return describe(self.program(frame))

    def init(self, frame: Array) -> ReuseState:
        """Returns the state in front of a sequence, everything of `frame` computed.

        Args:
            frame: float [B, H, W, C], usually the first of the sequence: a step on the same frame
                gives its output at hardly any cost.

        Raises:
            InputError: if the frame is no such array.
        """
        program, frame = self._for(frame)
        return program.start(program.weights, frame)[0]

    def step(
        self, state: ReuseState, frame: Array, thresholds: np.ndarray | float | None = None
    ) -> tuple[ReuseState, Any]:
        """Processes the next frame.

        The old state is used up: its memory becomes that of the new one. Under a transformation of
        JAX this is a pure function, and the way a frame is processed a branch of its program.

        Args:
            state: what the last frame has left.
            frame: float [B, H, W, C], as the one of `init`.
            thresholds: instead of those of the network: one for all layers, or [layers]. Other
                ones compile nothing.

        Returns:
            The new state, and what the network returns for the frame.

        Raises:
            InputError: if the frame's shape is another one, the state is used up, or that of
                another network, as of one with other weights, or thresholds are of another number.
        """
        self._check_own(state)
        program, frame = self._for(frame)
        if state.stored[0].values.shape != program.shape:
            raise InputError(
                f"frame has shape {frame.shape}, the sequence another: start a new one"
            )
        chosen = program.thresholds
        if thresholds is not None:
            chosen = _for_all(thresholds, program.names)
        if _is_traced((state, frame, chosen)):
            return program.next(program.weights, state, frame, chosen)
        way = program.way(state, frame, chosen)
        if way == Way.ADVANCE:
            return program.advance(program.weights, state, frame, chosen)
        if way == Way.RESTART:
            return program.restart(program.weights, state, frame)
        state = state.passed_by(frame)
        return state, program.whole(program.weights, frame)[0]

    def whole(self, frame: Array) -> Any:
        """Returns what the network returns for a frame, everything computed and nothing stored.

        Args:
            frame: float [B, H, W, C].
        """
        program, frame = self._for(frame)
        return program.whole(program.weights, frame)[0]

    def program(self, frame: Array) -> Program:
        """Returns what frames of this shape are processed by."""
        return self._for(frame)[0].program

    def maps(self, state: ReuseState, frame: Array) -> list[jax.Array]:
        """Returns the stored maps, float [B, H, W, C] each, in the order of `layers`.

        Args:
            state: what a frame has left.
            frame: one of the sequence, for its shape.

        Raises:
            InputError: if the state is used up, or that of another network.
        """
        self._check_own(state)
        return self._for(frame)[0].maps(state)

    def layers(self, frame: Array) -> list[str]:
        """Returns the names of the stored maps, as `thresholds` and `state.computed` have them.

        A map is named after the layer whose convolution or pooling leads to it.
        """
        return self._for(frame)[0].names

    def with_thresholds(self, thresholds: float | Mapping[str, float]) -> "ReuseNetwork":
        """Returns the network with other thresholds; it shares what is compiled, and states."""
        check_thresholds(thresholds)
        other = copy.copy(self)
        other._thresholds = thresholds
        other._compiled = {
            key: each.with_thresholds(thresholds) for key, each in self._compiled.items()
        }
        return other

    def calibrate(
        self,
        clips: Array | Sequence[Array],
        *,
        max_error: float,
        scenes: Array | Sequence[Array] | None = None,
        on_trial: Callable[[int, Trial], None] | None = None,
    ) -> Chosen:
        """Chooses thresholds for clips and an allowed error, without labels.

        The noise of the frames is estimated, and thresholds of the frame and of every map are
        tried on the first two thirds of each clip: the quickest are taken, by the model of costs,
        whose error is allowed. The last third is held out, and checks them: where the error is
        larger there, slower ones are taken. Unlike the guarantee of
        `rsf_jax.calibration.truncation.calibrate`, that says nothing of other cameras.

        Args:
            clips: float [T, B, H, W, C], one or several, of six frames or more; or uint8, 0..255
                for 0..1.
            max_error: root of the mean square over frames and values of the outputs, in units of
                what outputs of different scenes deviate by, above 0.
            scenes: [B, H, W, C] each, of the types of clips, as different as what is to be told
                apart; None for pieces of the clips' first frames.
            on_trial: is called with the number of every trial and what it came to.

        Returns:
            The network with these thresholds, and what they come to.

        Raises:
            InputError: if a clip is none or too short, or outputs of the scenes do not differ.
        """
        return choose(self, clips, max_error=max_error, scenes=scenes, on_trial=on_trial)

    def _check_own(self, state: Any) -> None:
        if not isinstance(state, ReuseState):
            raise InputError(
                f"state is {type(state).__name__}: give what init or the last step has returned"
            )
        if state.owner != self._number:
            raise InputError(
                "the state is of another network, or of this one with other weights: begin with "
                "init"
            )
        if state.is_used_up:
            raise InputError(
                "the state is used up by the step after it: go on from the one that step returned"
            )

    def _for(self, given: Any) -> tuple["_Compiled", Array]:
        """What frames of a shape are processed by, and the frame as an array of its own."""
        frame = frames_of("frame", given)
        key = (frame.shape, jax.dtypes.canonicalize_dtype(frame.dtype))
        if key not in self._compiled:
            if _is_traced(self._variables):
                self._compiled[key] = self._compile(*key)
            else:  # what is kept must not be of the transformation that is going on
                with jax.ensure_compile_time_eval():
                    self._compiled[key] = self._compile(*key)
        return self._compiled[key], frame

    def _compile(self, shape: tuple[int, ...], dtype: Any) -> "_Compiled":
        spec = jax.ShapeDtypeStruct(shape, dtype)
        graph = trace(lambda x: self._apply(self._variables, x), spec)
        program = Program(graph, self._method, self._tile_side, self._number)
        thresholds = _by_stage(self._thresholds, program.names)
        return _Compiled(program, thresholds, self._refresh_every)


_NUMBERS = itertools.count(1)


class _Compiled:
    """A program for frames of one shape."""

    def __init__(self, program: Program, thresholds: Array, refresh_every: int) -> None:
        def is_due(state: ReuseState) -> Any:
            return refresh_every > 0 and state.age + 1 >= refresh_every

        def advance(
            weights: Weights, state: ReuseState, frame: Array, thresholds: Array
        ) -> tuple[ReuseState, Any]:
            return program.advance(weights, state, frame, thresholds, is_due(state))

        def following(
            weights: Weights, state: ReuseState, frame: Array, thresholds: Array
        ) -> tuple[ReuseState, Any]:
            return program.next(weights, state, frame, thresholds, is_due(state))

        self.names, self.thresholds = program.names, thresholds
        self.weights = jax.jit(program.weights)()
        self.program = program
        self.maps = jax.jit(program.maps)

        def restart(weights: Weights, state: ReuseState, frame: Array) -> tuple[ReuseState, Any]:
            del state  # for its memory
            return program.start(weights, frame)

        self.way = jax.jit(program.way)
        self.whole = jax.jit(program.whole)
        self.restart = jax.jit(restart, donate_argnums=1, keep_unused=True)
        self.start = jax.jit(program.start)
        self.advance = jax.jit(advance, donate_argnums=1)
        self.next = jax.jit(following)
        frame = program.stages[0]
        shapes = jax.eval_shape(
            program.start, self.weights, jax.ShapeDtypeStruct(frame.node.shape, frame.dtype)
        )
        self.shape = shapes[0].stored[0].values.shape

    def with_thresholds(self, thresholds: float | Mapping[str, float]) -> "_Compiled":
        other = copy.copy(self)
        other.thresholds = _by_stage(thresholds, self.names)
        return other


def frame_network(model: VideoModel) -> Callable[[Variables, Array], jax.Array]:
    """Returns a network without recurrence, FF-* or FF-res-*, as a function of its variables.

    Args:
        model: as `build_model` returns it.

    Returns:
        `(variables, frame [B, H, W, 1]) -> logits [B, H, W, K]`, for `ReuseNetwork`. It convolves
        directly: what is computed by tiles is.

    Raises:
        InputError: if the model looks at more than one frame.
    """
    if not isinstance(model, FeedforwardModel) or model.span > 1:
        raise InputError(
            f"{type(model).__name__} looks at more than one frame: reuse is for ff6, ff8, ffres6, "
            "ffres6fixed and ffres8"
        )
    direct = model.clone(conv_method="direct")

    def network(variables: Variables, frame: Array) -> jax.Array:
        start = direct.initial_carry(*frame.shape[:3])
        _, logits = direct.apply(variables, start, frame, method="once")
        return jnp.asarray(logits)

    return network


def _is_traced(tree: Any) -> bool:
    """Whether values are seen by a transformation of JAX, and not known."""
    return any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(tree))


def _first_dense(compiled: _Compiled) -> list[Node]:
    return computed_densely(compiled.program)[:1]


def _for_all(thresholds: Any, names: list[str]) -> Array:
    """Thresholds of all maps, of one for all or one each."""
    check_finite("threshold", thresholds)
    shape = np.shape(thresholds)
    if shape not in ((), (len(names),)):
        raise InputError(
            f"thresholds have shape {shape}: give one for all, or {len(names)}, one for each of "
            f"{', '.join(names)}"
        )
    return jnp.broadcast_to(jnp.asarray(thresholds, jnp.float32), (len(names),))


def _by_stage(thresholds: float | np.ndarray | Mapping[str, float], names: list[str]) -> Array:
    if not isinstance(thresholds, Mapping):
        return _for_all(thresholds, names)
    for name in thresholds:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            guess = f"; did you mean {close[0]!r}?" if close else ""
            raise InputError(f"no layer is named {name!r}: there are {', '.join(names)}{guess}")
    return jnp.asarray([thresholds.get(name, 0.0) for name in names], jnp.float32)
