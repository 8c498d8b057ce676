# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from lsms_monai.networks import DetailBranch


@pytest.fixture
def branch():
    return DetailBranch(1, 16, feature_stride=4, channels=8, out_channels=2)


def test_corrections_have_full_resolution(branch):
    assert branch(torch.rand(2, 1, 32, 64), torch.randn(2, 16, 8, 16)).shape == (2, 2, 32, 64)


def test_a_single_pixel_changes_the_corrections_around_it_alone(branch):
    image, features = torch.rand(1, 1, 64, 64), torch.randn(1, 16, 16, 16)
    brighter = image.clone()
    brighter[0, 0, 31, 20] += 1
    rows, columns = (branch(brighter, features) != branch(image, features)).any(dim=1)[0].nonzero(as_tuple=True)
    assert len(rows) > 1
    assert (rows - 31).abs().max() <= 5
    assert (columns - 20).abs().max() <= 5


def test_one_image_serves_the_features_of_several_expressions(branch):
    image, features = torch.rand(1, 1, 32, 32), torch.randn(3, 16, 8, 8)
    torch.testing.assert_close(branch(image, features), branch(image.expand(3, -1, -1, -1), features))


def test_trained_weights_gain_the_branch_without_a_jump(make_lsms, expressions):
    plain, finer = make_lsms(detail_channels=0), make_lsms()
    assert not finer.load_state_dict(plain.state_dict(), strict=False).unexpected_keys
    image = torch.rand(2, 1, 37, 61)
    before = plain(image, *expressions)
    change = (finer(image, *expressions) - before).abs().max()
    assert 0 < change < 0.1 * before.std()
