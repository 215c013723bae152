"""A server in this process, over a small model that was not trained."""

import pytest

pytest.importorskip("starlette", reason="pip install 'rsf_jax[serve]'")
pytest.importorskip("websockets", reason="pip install 'rsf_jax[serve]'")

from configs import untrained

import rsf_jax as rsf

SIZE = (12, 14)


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
