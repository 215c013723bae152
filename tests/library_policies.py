"""A policy of every kind that the library has, as texts."""

from rsf_jax.policies.readout import RULES
from rsf_jax.policies.registered import POLICIES

_EXAMPLES = {
    "schedule": "s3f1",
    "halting": "l2:0.8:12",
    "gate": "gate:0.01:0.45+s3f1",
    "refresh": "refresh:64+s3f1",
    "anderson": "anderson:5+s3f1",
    "ponder": "ponder:0.5:12",
    "act": "act:0.01:12",
}


def one_of_each():
    """Returns a text for every kind, and for every rule of halting by the readout."""
    kinds = [kind for kind, maker in POLICIES.items() if maker.__module__.startswith("rsf_jax.")]
    texts = [_EXAMPLES[kind] for kind in kinds if kind != "readout"]
    return texts + [f"readout:{rule}:0.01:12" for rule in RULES]
