# SPDX-License-Identifier: Apache-2.0
"""`python apps/deploy -i DICOM_FOLDER -o RESULTS -m bundle --prompt "the cyst"`."""

import sys

from app import main

if __name__ == "__main__":
    sys.exit(main())
