# SPDX-License-Identifier: Apache-2.0
"""LSMS: a person names a lesion in words and gets exactly that lesion segmented in the CT."""

__version__ = "0.1.0"
