from rsf_jax.measures.pareto import pareto_front


def test_the_front_has_what_nothing_beats():
    costs, gains = [1.0, 2.0, 2.0, 3.0, 4.0, 4.0], [0.1, 0.5, 0.4, 0.5, 0.9, 0.9]
    assert pareto_front(costs, gains) == [True, True, False, False, True, True]
