# SPDX-License-Identifier: Apache-2.0
"""The `lsms` command. Whatever is heavy is imported inside the commands, so that `lsms --help` answers at once."""

import click

import lsms_monai
from lsms_monai.cli.batch import batch
from lsms_monai.cli.datalist import datalist
from lsms_monai.cli.describe import describe
from lsms_monai.cli.evaluate import evaluate
from lsms_monai.cli.export import export
from lsms_monai.cli.phantom import phantom
from lsms_monai.cli.segment import segment
from lsms_monai.cli.sensitivity import sensitivity


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(lsms_monai.__version__, prog_name="lsms")
def main() -> None:
    """Name a lesion in words, get exactly that lesion outlined in the CT.

    \b
    First steps:
      lsms phantom my_phantoms            make small artificial CTs to play with
      lsms segment CT "WORDS" -o RESULTS  outline what the words name in a CT
      lsms describe CT LESIONS -o LIST    write expressions for lesions that are outlined already
      lsms evaluate LIST -o REPORT        measure how well the masks follow the words

    Research software: not a medical device, not for diagnosis or treatment.
    """  # noqa: D301 - click's mark of a paragraph that keeps its lines


for command in (segment, batch, phantom, evaluate, sensitivity, describe, datalist, export):
    main.add_command(command)
