# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest

from lsms_monai.data.attributes import CALCIFIED_HU, WATER_HU
from lsms_monai.data.clarity import clear_expressions, is_clear
from lsms_monai.data.meaning import LesionAttributes, Meaning
from lsms_monai.data.phantom import phantom

CYST = LesionAttributes(1, "right", "cyst", 5.0, 30.0, (0, 0, 0), "anterior", "central")
SOLID = replace(CYST, value=2, side="left", kind="hypodense", hu=60.0)


@pytest.mark.parametrize("hu", [WATER_HU[1] - 5, WATER_HU[1] + 40])
def test_a_small_cyst_that_blur_has_brightened_is_called_neither_cyst_nor_solid(hu):
    for attenuation in ("cyst", "solid", "solid hypodense"):
        assert is_clear(Meaning(attenuation=attenuation), [CYST, SOLID])
        assert not is_clear(Meaning(attenuation=attenuation), [replace(CYST, hu=hu), SOLID])
    assert is_clear(Meaning(attenuation="hypodense"), [replace(CYST, hu=hu), SOLID])
    assert is_clear(Meaning(side="right"), [replace(CYST, hu=hu), SOLID])


@pytest.mark.parametrize(("kind", "hu"), [("calcified", CALCIFIED_HU - 60), ("hyperdense", CALCIFIED_HU - 5)])
def test_what_could_be_calcified_or_not_is_called_neither(kind, hu):
    lesions = [SOLID, replace(CYST, kind=kind, hu=hu)]
    for attenuation in ("calcified", "hypervascular", "solid"):
        assert not is_clear(Meaning(attenuation=attenuation), lesions)
    assert is_clear(Meaning(attenuation="hyperdense"), lesions)
    assert is_clear(Meaning(attenuation="calcified"), [SOLID, replace(CYST, kind="calcified", hu=300.0)])


def test_phantoms_are_described_by_what_can_be_told():
    rng = np.random.default_rng(0)
    said = [
        (expression.meaning, made.lesions)
        for made in (phantom(seed, num_lesions=5) for seed in range(12))
        for expression in clear_expressions(made.lesions, rng, 20, in_mm=True)
    ]
    assert any(meaning.attenuation == "cyst" for meaning, _ in said)
    assert all(is_clear(meaning, lesions) for meaning, lesions in said)
