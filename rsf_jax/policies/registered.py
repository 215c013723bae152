"""Policies and metrics by their names: the library's, and those of one's own."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, TypeVar

from rsf_jax.errors import InputError
from rsf_jax.naming import NAME, place
from rsf_jax.policies.act import ActHalting
from rsf_jax.policies.anderson import Anderson
from rsf_jax.policies.gate import ChangeGate
from rsf_jax.policies.halting import METRICS, DistanceHalting
from rsf_jax.policies.ponder import PonderHalting
from rsf_jax.policies.readout import ReadoutHalting
from rsf_jax.policies.refresh import Refresh
from rsf_jax.policies.schedule import FixedSchedule

_Maker = TypeVar("_Maker", bound=Callable[..., Any])

# What makes the policies of each kind: a dataclass, or a function of a user's.
POLICIES: dict[str, Callable[..., Any]] = {
    "schedule": FixedSchedule,
    "halting": DistanceHalting,
    "gate": ChangeGate,
    "refresh": Refresh,
    "anderson": Anderson,
    "readout": ReadoutHalting,
    "ponder": PonderHalting,
    "act": ActHalting,
}
# Kinds whose texts have a grammar of their own, in `names`.
WITH_GRAMMAR = ("schedule", "halting")
# Kinds and metrics that are the library's: what is registered later cannot take their names.
_OWN = (*POLICIES, *METRICS)
_CALIBRATED = "calibrated"  # stands, where a policy is named, for what the command calibrate found


def register_policy(name: str, maker: Any = None) -> Any:
    """Adds a step policy to those that `parse_policy` and the commands' `--policy` can name.

        @rsf.register_policy("countdown")
        @flax.struct.dataclass
        class Countdown(rsf.policies.Stepwise):
            max_steps: int = flax.struct.field(pytree_node=False)
            rate: float = 0.5
            ...  # singles_out_first_frame, should_continue

        policy = rsf.parse_policy("countdown:12:rate=0.8")

    Arguments in a text are the fields of the dataclass: values in their order, then `name=value`.
    They are read as their types say (bool, int, float or str); a field without such a type or
    default is a float. A field `inner` is another policy, whose text follows:
    "mine:0.5+s3f1". A class that is defined anew, as when a notebook's cell is run again, takes the
    place of the one before.

    Args:
        name: lower-case letters, digits and single underscores, a letter in front.
        maker: a dataclass with `unroll`, or a function that makes a policy. What a function makes
            is stored as what it is: the function gives other arguments to a class that is known.
            None for use as a decorator.

    Returns:
        The class or function as it is; without one, a decorator.

    Raises:
        InputError: if the name is none of that kind or taken, or it is no policy.
    """
    _check_name("policy", name)

    def register(maker: _Maker) -> _Maker:
        _check_maker(name, maker)
        _check_free(name, POLICIES, METRICS, maker)
        POLICIES[name] = maker
        return maker

    return register if maker is None else register(maker)


def register_metric(name: str, function: Any = None) -> Any:
    """Adds a distance to those that halting can name: `parse_policy("mine:0.5:12")`.

        @rsf.register_metric("largest")
        def largest(a, b):
            return abs(a - b).max((1, 2, 3))

    A function that is defined anew takes the place of the one before; rules that were made keep
    the one they were made with.

    Args:
        name: lower-case letters, digits and single underscores, a letter in front.
        function: a traceable function of two feature maps [B, C, H, W] that returns one distance
            for each sample, [B]. None for use as a decorator.

    Returns:
        The function as it is; without one, a decorator.

    Raises:
        InputError: if the name is none of that kind or taken, or it is no function.
    """
    _check_name("metric", name)

    def register(function: _Maker) -> _Maker:
        if not callable(function) or isinstance(function, type):
            raise InputError(
                f"metric {name!r} is {function!r}: a function of two feature maps is needed"
            )
        _check_free(name, METRICS, POLICIES, function)
        METRICS[name] = function
        return function

    return register if function is None else register(function)


def kind_of(policy: Any) -> str | None:
    """Returns the name that a policy's class has; None if it is not registered."""
    return next((name for name, maker in POLICIES.items() if maker is type(policy)), None)


def _check_name(what: str, name: Any) -> None:
    if not isinstance(name, str):
        raise InputError(
            f'{name!r} is no name of a {what}: write @rsf.register_{what}("NAME") over it'
        )
    if not NAME.fullmatch(name) or re.fullmatch(r"s\d+f\d+", name) or name == _CALIBRATED:
        raise InputError(
            f"{name!r} cannot name a {what}: use lower-case letters, digits and single "
            f"underscores, a letter in front, and neither a schedule such as s8f2 nor {_CALIBRATED}"
        )
    if name in _OWN:
        raise InputError(f"{what} name {name!r} is one of this library: use another")


def _check_maker(name: str, maker: Any) -> None:
    if not callable(maker):
        raise InputError(
            f"policy {name!r} is {maker!r}: give its class, or a function that makes it"
        )
    if not isinstance(maker, type):
        return
    if not callable(getattr(maker, "unroll", None)):
        raise InputError(
            f"policy {name!r}: {place(maker)} has no method unroll, which applies steps"
        )
    # Not those of a base class alone: the decorators may be in the wrong order.
    if "__dataclass_fields__" not in vars(maker) or not dataclasses.is_dataclass(maker):
        raise InputError(
            f"policy {name!r}: {place(maker)} is no dataclass: put @flax.struct.dataclass between "
            "@rsf.register_policy and the class"
        )

    if "kind" in maker.__dataclass_fields__:
        raise InputError(f"policy {name!r}: files call its name kind; call that field otherwise")


def _check_free(name: str, same: dict[str, Any], others: dict[str, Any], thing: Any) -> None:
    """Texts begin with the name of a policy or of a metric: one name stands for one of them."""
    for taken in (same.get(name), others.get(name)):
        if taken is not None and (name in others or place(taken) != place(thing)):
            raise InputError(f"name {name!r} is taken by {place(taken)}: use another")
