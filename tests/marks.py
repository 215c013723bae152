"""Marks of cases among a test's parameters."""

import pytest


def slow(*values):
    """A case that is left out of the short suite, because shorter ones look at the same."""
    return pytest.param(*values, marks=pytest.mark.slow)


def slow_among(long, names):
    """All names; the long ones are slow."""
    return [slow(name) if name in long else name for name in names]


def slow_but(kept, names):
    """All names; those that are not kept are slow."""
    return slow_among(set(names) - set(kept), names)
