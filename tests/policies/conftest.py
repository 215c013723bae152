import pytest

from rsf_jax.policies import METRICS, POLICIES


@pytest.fixture
def registry():
    """What a test registers ends with it."""
    before = dict(POLICIES), dict(METRICS)
    yield
    for known, old in zip((POLICIES, METRICS), before):
        known.clear()
        known.update(old)
