# SPDX-License-Identifier: Apache-2.0
"""The names and shapes of the weights are a promise to every file of weights. Where a change is meant, write them anew:

python -c 'from tests.networks.test_state_dict import *; GOLDEN.write_text(listing(LSMS()))'
"""

from pathlib import Path

from lsms_monai.networks import LSMS

GOLDEN = Path(__file__).parents[1] / "golden" / "lsms_tiny_state_dict.txt"


def listing(network):
    """One line for each entry of the state dict: name, shape, type."""
    entries = network.state_dict().items()
    return "".join(
        f"{name} {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}\n" for name, value in entries
    )


def test_the_state_dict_is_the_golden_one():
    assert listing(LSMS()) == GOLDEN.read_text()
