"""Marks of cases among a test's parameters."""

import pytest


def slow(*values):
    """A case that is left out of the short suite, because shorter ones look at the same."""
    return pytest.param(*values, marks=pytest.mark.slow)


def slow_but(kept, names):
    """All names; those that are not kept are slow."""
    return [name if name in kept else slow(name) for name in names]
