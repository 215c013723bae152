"""Measures solvers: what they cost beside a recurrent step, and how many steps they save.

python launch/benchmark_solvers.py --pretrained=quickstart_live16
"""

from absl import flags
from benchmarks import solvers, values

from rsf_jax.commands import opening, program
from rsf_jax.console import table_console
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.data.dataset import open_dataset
from rsf_jax.run_folder import writable_folder

_SOLVERS = flags.DEFINE_list(
    "solvers", ["anderson:2", "anderson:5", "anderson:8"], "wrappers, without what is inside"
)
_RESIDUALS = flags.DEFINE_list(
    "residuals", ["0.1", "0.03", "0.01"], "shares of the state's size at which a frame ends"
)
_CAP = flags.DEFINE_integer("cap", 40, "the most steps", lower_bound=1)
_VIDEOS = flags.DEFINE_integer("videos", 16, "test videos", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 2.0, "spent on timing each", lower_bound=0.0)


def main() -> None:
    named = values.filled("solvers", _SOLVERS.value)
    shares = [
        values.share("residual", text) for text in values.filled("residuals", _RESIDUALS.value)
    ]
    trained, workdir = opening.open_trained()
    folder = writable_folder(workdir)
    dataset = open_dataset(trained.config)
    batch = next(evaluation_batches(dataset.test, min(_VIDEOS.value, len(dataset.test))))
    rows = solvers.run(
        trained,
        batch.frames,
        solvers=named,
        residuals=shares,
        cap=_CAP.value,
        seconds=_SECONDS.value,
    )
    table_console().print(solvers.table(rows, shares))
    told = {
        "residuals": shares,
        "cap": _CAP.value,
        "videos": len(batch.frames),
        "size": list(batch.frames.shape[2:4]),
    }
    print(f"Figures are in {solvers.save(folder, rows, told)}")


if __name__ == "__main__":
    program.run(main)
