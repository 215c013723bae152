"""The path of a hidden state through a video, seen in a plane."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Float, Int


@dataclasses.dataclass(frozen=True, eq=False)
class Trajectory:
    """A trajectory of P states and the plane in which it extends most.

    Attributes:
        coordinates: float [P, 2], along the first two principal components.
        shares: float [2], share of the variance that each explains, 0..1.
        frame: int [P], the frame each state belongs to, counted from 0.
        mean: float32 [H, W, C], mean state.
        components: float32 [2, H, W, C], directions of unit length.
    """

    __repr__ = in_a_line

    coordinates: np.ndarray
    shares: np.ndarray
    frame: np.ndarray
    mean: np.ndarray
    components: np.ndarray

    def project(self, states: Float[Array, "*axes H W C"]) -> Float[Array, "*axes 2"]:
        """Returns where other states lie in this plane.

        Traceable, so that `Recording(projection=trajectory.project)` keeps two numbers a step.
        """
        plane = self.components.reshape(2, -1).T
        # The difference of two products: of arrays as large as the states there may be many.
        flat = states.reshape(*states.shape[:-3], -1).astype(plane.dtype)
        projected = jnp.matmul(flat, plane, precision="highest")
        return projected - np.broadcast_to(self.mean.reshape(-1) @ plane, projected.shape)


def project_trajectory(states: Float[Array, "T N H W C"], steps: Int[Array, " T"]) -> Trajectory:
    """Finds the plane of one video's trajectory by principal component analysis.

    All recurrent steps that were really spent count once; the initial state is not among them.
    The sign of a component is such that the last state lies on its positive side.

    Args:
        states: a video's `out.states` of `run_video(.., record_states=True)`.
        steps: its `out.steps`: what follows after so many states of a frame is left out.

    Raises:
        InputError: if fewer than three states remain or they are not finite.

    Source: Wang et al. 2023, figure 4b.
    """
    steps = np.asarray(steps)
    spent = np.arange(states.shape[1]) < steps[:, None]
    path = np.asarray(states, np.float32)[spent]  # half precision has no linear algebra
    if len(path) < 3 or not np.isfinite(path).all():
        raise InputError(
            f"a plane needs at least 3 finite states, these are {len(path)}"
            + ("" if np.isfinite(path).all() else ", some not finite")
        )
    mean = path.mean(0)
    flat = (path - mean).reshape(len(path), -1)
    u, s, directions = np.linalg.svd(flat, full_matrices=False)
    signs = np.where(u[-1, :2] < 0, -1, 1).astype(flat.dtype)
    return Trajectory(
        coordinates=u[:, :2] * s[:2] * signs,
        shares=np.square(s[:2]) / max(np.square(s).sum(), np.finfo(s.dtype).tiny),
        frame=np.nonzero(spent)[0],
        mean=mean,
        components=(directions[:2] * signs[:, None]).reshape(2, *mean.shape),
    )
