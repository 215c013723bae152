"""Puts a run on one page: python launch/report.py --workdir=runs/hard_s8f8."""

from absl import flags

from rsf_jax.commands import opening, shared

_RUN_MISSING = flags.DEFINE_boolean(
    "run_missing", False, "run sweep and analysis if they are not there"
)


def main() -> None:
    from rsf_jax import analysis
    from rsf_jax.data.dataset import open_dataset
    from rsf_jax.evaluation import report
    from rsf_jax.evaluation import sweep as tradeoff
    from rsf_jax.training.loading import load_trained

    if not _RUN_MISSING.value:
        shared.refuse_settings(names_folder=True)
    folder = opening.workdir()
    todo = report.missing(folder) if _RUN_MISSING.value else []
    if todo:
        trained = load_trained(folder, shared.model_settings() | shared.overrides())
        dataset = open_dataset(trained.config)
        if "sweep" in todo:
            tradeoff.print_sweep(tradeoff.sweep(trained, dataset, folder))
        if "analysis" in todo:
            analysis.analyze(trained, dataset, folder)
    print(f"The report is {report.write_report(folder)}")
