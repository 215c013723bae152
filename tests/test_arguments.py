"""Checks of single values."""

from fractions import Fraction

import numpy as np
import pytest

from rsf_jax.arguments import check_inside, check_number
from rsf_jax.errors import InputError


@pytest.mark.parametrize("value", [2, 2.5, np.int64(2), np.float32(2.5), Fraction(5, 2)])
def test_numbers_of_any_type_become_those_of_python(value):
    found = check_number("rate", value, "a number is needed", lambda x: True)
    assert type(found) in (int, float)
    assert found == value


@pytest.mark.parametrize("value", ["2", None, True, np.bool_(True), 2j, np.ones(2)])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputError, match=r"rate is .*: a number is needed"):
        check_number("rate", value, "a number is needed", lambda x: True)


def test_a_share_is_neither_0_nor_1():
    assert type(check_inside("share", np.float32(0.5))) is float
    for value in (0, 1, float("nan")):
        with pytest.raises(InputError, match=r"share is .*: it must be between 0 and 1"):
            check_inside("share", value)
