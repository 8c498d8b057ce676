# SPDX-License-Identifier: Apache-2.0
"""`python -m lsms_monai` is the `lsms` command."""

from lsms_monai.cli import main

if __name__ == "__main__":
    main(prog_name="lsms")
