# SPDX-License-Identifier: Apache-2.0
"""How well the shipped system segments, and whether it listens: records, figures, report and plots."""

from lsms_monai.evaluation.cases import Case, group_entries, load_case
from lsms_monai.evaluation.examples import draw_examples, pick_examples
from lsms_monai.evaluation.listening import Wordings, listen, make_wordings
from lsms_monai.evaluation.plots import draw_plots, require_matplotlib
from lsms_monai.evaluation.records import Record
from lsms_monai.evaluation.report import REPORT_FILES, figure_lines, write_evaluation
from lsms_monai.evaluation.run import evaluate
from lsms_monai.evaluation.sensitivity import sensitivity, sensitivity_table
from lsms_monai.evaluation.summary import summarize

__all__ = [
    "REPORT_FILES",
    "Case",
    "Record",
    "Wordings",
    "draw_examples",
    "draw_plots",
    "evaluate",
    "figure_lines",
    "group_entries",
    "listen",
    "load_case",
    "make_wordings",
    "pick_examples",
    "require_matplotlib",
    "sensitivity",
    "sensitivity_table",
    "summarize",
    "write_evaluation",
]
