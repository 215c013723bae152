"""Policies as files keep them: beside its text, a policy's kind and numbers by name.

    "policy": "l2:0.8:12",
    "policy_spec": {"kind": "halting", "metric": "l2", "threshold": 0.8, "max_steps": 12, ...}

The text is for people: values of one's own kinds may hold what no text can carry. Files of earlier
versions have nothing else; it is then parsed.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from rsf_jax.arguments import suggestion
from rsf_jax.errors import InputError
from rsf_jax.naming import place
from rsf_jax.policies import arguments
from rsf_jax.policies.base import StepPolicy
from rsf_jax.policies.halting import METRICS, DistanceHalting
from rsf_jax.policies.names import made, parse_policy, policy_name, renamed
from rsf_jax.policies.registered import POLICIES, kind_of
from rsf_jax.policies.schedule import FixedSchedule

Spec = dict[str, Any]


def to_spec(policy: StepPolicy) -> Spec:
    """Returns a policy's kind and numbers, as JSON can hold them.

    `{"kind": "schedule", "slow_steps": 8, "fast_steps": 2}`, without how it is differentiated;
    `{"kind": "halting", "metric": "l2", "threshold": 0.8, ...}`; a registered policy's name and
    the fields of its dataclass, a policy inside as its own spec. What is not registered has its
    class as kind.
    """
    kind = kind_of(policy)
    if kind is None:
        known = dataclasses.is_dataclass(policy)
        told = arguments.values_of(policy) if known else {"max_steps": policy.max_steps}
        return {"kind": place(type(policy)), **told, **_inside(policy)}
    if isinstance(policy, FixedSchedule):
        return {"kind": kind, "slow_steps": policy.slow, "fast_steps": policy.fast}
    values: Spec = {"kind": kind, **arguments.values_of(policy), **_inside(policy)}
    if isinstance(policy, DistanceHalting):
        values["metric"] = policy.metric_name
    return values


def from_spec(spec: Mapping[str, Any]) -> StepPolicy:
    """Returns the policy that `to_spec` has described.

    Raises:
        InputError: if it is of a kind, or has a metric, that is not registered; or is no
            description of a policy.
    """
    if not isinstance(spec, Mapping):
        raise InputError(f"{spec!r} describes no policy: a kind and its values are needed")
    values = dict(spec)
    kind = values.pop("kind", None)
    _check_kind(kind)
    if kind == "schedule":
        values = {name.removesuffix("_steps"): value for name, value in values.items()}
    maker = POLICIES[kind]
    read = {a.name: a for a in arguments.arguments_of(maker)}
    given = {name: _value(read.get(name), value) for name, value in values.items()}
    if isinstance(given.get(arguments.INNER), Mapping):
        given[arguments.INNER] = from_spec(given[arguments.INNER])
    return made(maker, lambda maker: maker(**given))


def _inside(policy: StepPolicy) -> Spec:
    """The spec of a policy inside, by its name."""
    inner = getattr(policy, arguments.INNER, None)
    return {} if inner is None else {arguments.INNER: to_spec(inner)}


def _check_kind(kind: Any) -> None:
    if kind not in list(POLICIES):
        raise InputError(
            f"policy kind {kind!r} is none of {', '.join(POLICIES)}{suggestion(kind, POLICIES)}; "
            "one of your own is registered by rsf.register_policy"
        )


def _value(argument: arguments.Argument | None, value: Any) -> Any:
    """An argument as it was: lists stand for arrays, text for numbers that JSON has none for."""
    if isinstance(value, list):
        return np.asarray(value)
    if argument is None or not isinstance(value, str):
        return value
    is_text = str in argument.kinds and value not in _NOT_IN_JSON
    return value if is_text else argument.read(value)


_NOT_IN_JSON = ("inf", "-inf", "nan")


def entry(policy: StepPolicy, key: str = "policy") -> dict[str, Any]:
    """Returns what a file holds of a policy: its text under a key, its spec beside it."""
    return {key: policy_name(policy), f"{key}_spec": to_spec(policy)}


def read_policy(values: Mapping[str, Any], key: str = "policy") -> StepPolicy:
    """Returns the policy that a file holds under a key.

    What it is made of is its spec, if there is one: there are texts that cannot be parsed.

    Raises:
        InputError: if it is none, or not registered, or text and spec are of two policies: by hand
            the text alone may have been changed.
    """
    text, spec = values[key], values.get(f"{key}_spec")
    if spec is None:
        return parse_policy(text)
    policy = from_spec(spec)
    if text != policy_name(policy) and parse_policy(text) != policy:
        raise InputError(f"{key} is {text!r}, {key}_spec says {spec}: one of them is wrong")
    return policy


def check_registered(values: Mapping[str, Any], key: str = "policy") -> None:
    """Raises InputError if a file's policy is of a user's kind that is not there.

    Says nothing of other damage, nor of files without specs.
    """
    spec = values.get(f"{key}_spec")
    while isinstance(spec, Mapping) and isinstance(spec.get("kind"), str):
        _check_kind(spec["kind"])
        if spec["kind"] == "halting" and spec.get("metric") not in list(METRICS):
            raise InputError(
                f"{key} {values[key]} halts by metric {spec.get('metric')!r}, which is not there: "
                "register it by rsf.register_metric"
            )
        spec = spec.get(arguments.INNER)


def renewed(values: Mapping[str, Any], key: str = "policy") -> dict[str, Any]:
    """Returns what a file holds as this version writes it, whichever has written it.

    What is neither described nor known by its text is of the kind that the text begins with: it
    can be shown, not run.
    """
    text, spec = values[key], values.get(f"{key}_spec")
    if not (isinstance(spec, Mapping) and isinstance(spec.get("kind"), str)):
        spec = spec_of(text)
    return {**values, key: renamed(text), f"{key}_spec": dict(spec)}


def spec_of(text: str) -> Spec:
    """Returns the spec of a text; of one that is not known here, what it begins with as kind."""
    try:
        return to_spec(parse_policy(text))
    except InputError:
        return {"kind": re.split(r"[:(+]", str(text))[0]}
