"""What no other choice beats."""

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """Returns which choices no other one matches at a lower cost, or beats at the same."""
    points = list(zip(costs, gains))
    return [
        not any((c <= cost and g > gain) or (c < cost and g >= gain) for c, g in points)
        for cost, gain in points
    ]
