# SPDX-License-Identifier: Apache-2.0
"""`lsms evaluate`: how good the masks are, and whether the words decide which lesion they show."""

from pathlib import Path
from typing import Any

import click

import lsms_monai
from lsms_monai.cli.shell import (
    bundle_option,
    default_bundle,
    device_option,
    plain_errors,
    plain_warnings,
    progress_bar,
    say_that_it_loads,
)


@click.command()
@click.argument("datalist", type=click.Path(path_type=Path))
@click.option("-o", "--output-dir", required=True, type=click.Path(path_type=Path), help="Folder for the report.")
@click.option("--section", default="test", show_default=True, help="Which list of the datalist.")
@bundle_option
@device_option
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only N images, drawn at random.")
@click.option("--paraphrases", default=2, show_default=True, type=click.IntRange(0), help="Of each expression.")
@click.option(
    "--existence-threshold",
    type=click.FloatRange(0, 1),
    metavar="T",
    help="Threshold of the existence score, as printed for the validation section.  [default: chosen on this section]",
)
@click.option("--seed", default=0, show_default=True, help="Of everything random.")
@click.option("--skip-broken", is_flag=True, help="Leave out images that cannot be used, and count them.")
@click.option("--no-plots", is_flag=True, help="No plots and no pictures of cases.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier report in the output folder.")
def evaluate(datalist: Path, output_dir: Path, bundle: Path | None, overwrite: bool, **options: Any) -> None:
    """Measure how well the model does what the expressions of a DATALIST say.

    DATALIST is a JSON file with images, label maps and expressions, such as `lsms phantom` writes. Every expression is
    asked as it is, exchanged with another one, without content, contradicted, with left and right changed, and in
    other words: a model that ignores the words gives itself away.

    \b
    Examples:
      lsms evaluate my_phantoms/datalist.json -o report
      lsms evaluate data/datalist.json -o tuning --section validation
      lsms evaluate data/datalist.json -o report --existence-threshold 0.42

    \b
    The output folder receives
      report.md      all figures in tables, with 95 % intervals over patients: read it first
      report.json    the same for programs
      records.csv    every answer, one row each
      *.png          Dice by wording and by size, calibration; best, median and worst cases

    A threshold for "found" must be chosen on data that the test does not use: run it with --section validation first,
    and give the threshold that it prints to the run on the test section.
    """  # noqa: D301
    with plain_errors(), plain_warnings() as seen:
        say_that_it_loads()
        from lsms_monai.evaluation import REPORT_FILES
        from lsms_monai.report import output_folder

        with output_folder(output_dir, overwrite=overwrite, ours=REPORT_FILES) as folder:
            lines = _evaluate(folder, datalist, bundle or default_bundle(), seen, **options)
        for line in lines:
            click.echo(line)
        click.echo(f"All figures: {output_dir / 'report.md'}")


def _evaluate(
    folder: Path,
    datalist: Path,
    bundle: Path,
    warnings: list[str],
    *,
    section: str,
    device: str | None,
    limit: int | None,
    paraphrases: int,
    existence_threshold: float | None,
    seed: int,
    skip_broken: bool,
    no_plots: bool,
) -> list[str]:
    """Write the report into a folder; gives the lines for the terminal."""
    from lsms_monai import evaluation
    from lsms_monai.data import load_datalist
    from lsms_monai.predictor import BundlePredictor

    if not no_plots:
        evaluation.require_matplotlib()
    groups = evaluation.group_entries(load_datalist(datalist, section, must_exist=not skip_broken), limit, seed)
    predictor = BundlePredictor(bundle, device)
    with progress_bar("Asking about images") as progress:
        records, skipped = evaluation.evaluate(
            predictor,
            groups,
            num_paraphrases=paraphrases,
            seed=seed,
            skip_broken=skip_broken,
            progress=lambda done: progress(done, len(groups)),
        )
    content = evaluation.summarize(records, threshold=existence_threshold, seed=seed)
    about = {"model": predictor.metadata.get("name"), "version": predictor.metadata.get("version")}
    about |= {"bundle": str(bundle), "lsms_monai": lsms_monai.__version__, "datalist": str(datalist)}
    about |= {"section": section, "limit": limit, "seed": seed, "paraphrases": paraphrases, "warnings": warnings}
    pictures = {}
    if not no_plots:
        pictures = evaluation.draw_plots(folder, records, content)
        pictures |= evaluation.draw_examples(folder, predictor, groups, evaluation.pick_examples(records))
    content = {"about": about, **content, "skipped": skipped, "pictures": pictures}
    evaluation.write_evaluation(folder, content, records)
    return [*evaluation.figure_lines(content), *([f"Left out: {len(skipped)} images"] if skipped else [])]
