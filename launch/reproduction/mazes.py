"""Mazes: small ones first, whose weights larger ones begin with; images, then videos.

What was trained on images is tested on larger ones with more steps, what was trained on videos by
`compare_on_equal_terms`, where the steps that a frame needs are known.
"""

from reproduction.plan import Job
from reproduction.two_cores import Stage, job_of
from rsf_jax.evaluation.equal_terms import Settings as Terms
from rsf_jax.evaluation.extrapolation import Settings as Sizes

IMAGES = (
    Stage("maze_quickstart", "maze_quickstart", 3000),
    Stage("mazes_static7_live", "mazes_static7_live", 2500, "maze_quickstart"),
    Stage("mazes_static12_live", "mazes_static12_live", 2500, "mazes_static7_live"),
    # The same network and images, as networks are usually trained: one number of steps.
    Stage("mazes_static4_bptt_n6", "mazes_static4_bptt_n6", 3000),
    Stage("mazes_static4_c_rbp_n6", "mazes_static4_c_rbp_n6", 3000),
)
# On videos the loss is lowest long before masks are best: few pixels that are sure and wrong.
_BY_MASKS = {"best_by": "miou"}
VIDEOS = (
    Stage(
        "mazes_temporal12_live",
        "mazes_temporal12_live",
        5000,
        "mazes_static12_live",
        changes=_BY_MASKS,
    ),
    Stage(
        "mazes_hard12_live", "mazes_hard12_live", 5000, "mazes_temporal12_live", changes=_BY_MASKS
    ),
)
SIZES = tuple(f"mazes/static{side}" for side in (4, 7, 12, 16, 20))
_HALTING = tuple(f"pattern:rtol={r}:256" for r in (0.05, 0.02, 0.01))
# Distances are longer than on contours: more steps, and a gate that sees a wall of two pixels.
_TERMS = Terms(videos=100, streams=0, cap=48, gate="gate:0.001:0.3")


def cells_of(dataset: str) -> str:
    """Returns the size of the mazes of a dataset, such as "7x7"."""
    side = dataset.removeprefix("mazes/static")
    return f"{side}x{side}"


def jobs(seed: int) -> list[Job]:
    """Returns all stages, in the order in which they are run.

    Args:
        seed: of every one.
    """
    sizes = Sizes(SIZES, halting=_HALTING)
    return [
        *(job_of(stage, seed, sizes=sizes) for stage in IMAGES),
        *(job_of(stage, seed, terms=_TERMS) for stage in VIDEOS),
    ]
