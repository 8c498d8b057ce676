# SPDX-License-Identifier: Apache-2.0
"""Let torchvision be imported beside a torch without CUDA from another place than its own.

PyPI's torchvision has operators that need PyPI's torch with CUDA. Beside a torch without CUDA they are absent, and the
import of torchvision, and with it of MONAI Label, fails. Neither needs them here, so their names are enough. Where
torch and torchvision belong together, nothing happens. Python imports this file by itself if its folder is on
PYTHONPATH.
"""

import importlib.util
import re
import sys
from pathlib import Path

OPERATORS = ("nms(Tensor a, Tensor b, float c) -> Tensor", "qnms(Tensor a, Tensor b, float c) -> Tensor")


class DeclareOperators:
    """Declares the operators just before torchvision is imported."""

    def find_spec(self, name, path=None, target=None):
        """Find nothing; see the class."""
        if name == "torchvision":
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec("torchvision")
            version = Path(spec.origin).with_name("version.py").read_text() if spec and spec.origin else ""
            import torch

            if torch.version.cuda is None and re.search(r"^__version__ = .*\+cu", version, re.MULTILINE):
                self.library = torch.library.Library("torchvision", "FRAGMENT")
                DeclareOperators.kept = self  # the names live as long as the library
                for operator in OPERATORS:
                    self.library.define(operator)


sys.meta_path.insert(0, DeclareOperators())
