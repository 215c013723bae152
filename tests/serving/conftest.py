"""A server in this process, over a small model that was not trained."""

from importlib.util import find_spec

import pytest
from configs import untrained
from served import SIZE

import rsf_jax as rsf

# Without the extra `serve` there is nothing to test.
if find_spec("starlette") is None or find_spec("websockets") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def trained():
    return untrained(SIZE)


@pytest.fixture(scope="session")
def make_service(trained):
    """Makes services of the model: two slots, unless told otherwise."""
    from rsf_jax.serving.limits import Limits
    from rsf_jax.serving.service import Service

    def make(policy="s3f2", limits=None, **options):
        limits = Limits(**{"requests_per_second": 1e4, **(limits or {})})
        policy = rsf.parse_policy(policy)
        return Service(trained, policy, frame_shape=SIZE, slots=2, limits=limits, **options)

    return make
