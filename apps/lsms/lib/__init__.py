# SPDX-License-Identifier: Apache-2.0
"""Parts of the MONAI Label app: answers, fine-tuning, active learning, the page. MONAI Label knows the name lib."""
