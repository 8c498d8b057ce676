# SPDX-License-Identifier: Apache-2.0
"""Readers of public data sets, in the folders in which they are handed out, into the datalist."""

from lsms_monai.data.public_sets.case import Case, Options, Result, write_datalist
from lsms_monai.data.public_sets.csv_table import csv_cases
from lsms_monai.data.public_sets.ircadb import ircadb_cases
from lsms_monai.data.public_sets.lvit import lvit_cases
from lsms_monai.data.public_sets.msd import msd_cases

FORMATS = {
    "msd": msd_cases,
    "lits": msd_cases,
    "ircadb": ircadb_cases,
    "qata": lvit_cases,
    "mosmed": lvit_cases,
    "monuseg": lvit_cases,
    "csv": csv_cases,
}

__all__ = [
    "FORMATS",
    "Case",
    "Options",
    "Result",
    "csv_cases",
    "ircadb_cases",
    "lvit_cases",
    "msd_cases",
    "write_datalist",
]
