# SPDX-License-Identifier: Apache-2.0
"""The bundle in MONAI Label's own sample app, unmodified: the text travels by the image's meta data."""

import shutil
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scenes import SHAPE, dice, oblique_affine, scene, write_studies
from serving import REPOSITORY, Server

from lsms_monai.data import phantom

SAMPLE_APP = Path(sys.prefix) / "monailabel" / "sample-apps" / "monaibundle"
# What `make demo` asks.
SEED, EXPRESSIONS = (1402, 0), ("the hyperdense lesion in the right lobe", "the cyst in the left lobe")
CONF = {"models": "lsms", "zoo_source": "ngc", "sam2": "false"}  # the last two: nothing is downloaded


def sample_app(tmp_path_factory):
    """A folder with the sample app, without a model, and one for studies."""
    folder = tmp_path_factory.mktemp("stock")
    shutil.copytree(SAMPLE_APP, folder / "app")
    (folder / "app" / "model").mkdir(exist_ok=True)
    (folder / "studies").mkdir()
    return folder


@pytest.fixture(scope="module")
def stock(bundle, tmp_path_factory):
    """The sample app with the bundle copied into it."""
    folder = sample_app(tmp_path_factory)
    shutil.copytree(bundle, folder / "app" / "model" / "lsms")
    with Server(folder / "app", write_studies(folder / "studies"), CONF, folder) as running:
        yield running


def test_it_is_offered_as_a_segmentation_model(stock):
    model = stock.get("/info/").json()["models"]["lsms"]
    assert model["type"] == "segmentation"
    assert model["labels"] == {"lesion": 1}


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("word", ["dark", "bright"])
def test_a_mask_lies_on_its_image_and_shows_what_the_words_name(stock, word, extension):
    labels, affine = stock.mask("oblique", f"the {word} lesion", extension)
    assert labels.shape == SHAPE
    np.testing.assert_allclose(affine, oblique_affine(), atol=1e-3)
    assert dice(labels > 0, scene()[1][word]) > 0.9


@pytest.mark.parametrize(
    "expression",
    ["$open('{marker}', 'w').close()", "@network", "%configs/metadata.json", "a#b", "病变 🫀", "dark " * 1000],
    ids=["code", "reference", "macro", "id", "unicode", "long"],
)
def test_an_expression_is_words_and_never_code(stock, tmp_path, expression):
    marker = tmp_path / "executed"
    response = stock.infer("oblique", {"prompt": expression.replace("{marker}", str(marker))})
    assert response.status_code == 200
    assert not marker.exists()


def test_the_shipped_weights_tell_two_lesions_of_a_phantom_apart(tmp_path_factory):
    folder = sample_app(tmp_path_factory)
    (folder / "app" / "model" / "lsms").symlink_to(REPOSITORY / "bundle")
    made = phantom(SEED)
    nibabel.save(nibabel.Nifti1Image(made.image, made.affine), folder / "studies" / "ct.nii.gz")
    with Server(folder / "app", folder / "studies", CONF, folder) as running:
        (bright, affine), (cyst, _) = (running.mask("ct", words) for words in EXPRESSIONS)
    np.testing.assert_allclose(affine, made.affine, atol=1e-3)
    assert bright.shape == made.image.shape
    assert bright.any()
    assert cyst.any()
    assert (bright != cyst).any()
