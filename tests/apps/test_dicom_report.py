# SPDX-License-Identifier: Apache-2.0
"""The structured report: every lesion measured, every expression kept, what is absent said."""

import highdicom as hd
import pytest
from dicom import ALGORITHM, CHINESE, errors_of_dciodvfy, three_answers, write_series

from lsms_monai.dicom_seg import measurement_report, segmentation


@pytest.fixture
def folder(tmp_path):
    return write_series(tmp_path / "series")


def test_dciodvfy_has_nothing_against_the_report(folder, tmp_path):
    report(folder).save_as(tmp_path / "sr.dcm")
    assert errors_of_dciodvfy(tmp_path / "sr.dcm") == []


def report(folder):
    source, answers = three_answers(folder)
    return measurement_report(source, segmentation(source, answers, ALGORITHM), answers, ALGORITHM)


def test_the_report_measures_every_lesion_and_says_what_is_absent(folder, tmp_path):
    report(folder).save_as(tmp_path / "sr.dcm")
    content = hd.sr.srread(tmp_path / "sr.dcm").content
    segments = content.get_volumetric_roi_measurement_groups()
    evaluations = [item for group in segments for item in group.get_qualitative_evaluations()]
    presence = [item.value.meaning for item in evaluations if item.name.meaning == "Presence of property"]
    assert presence == ["Present", "Present", "Absent"]
    assert [group.referenced_segment.referenced_segment_numbers for group in segments] == [[1], [2], [3]]
    _, answers = three_answers(folder)
    lesions = [lesion for item in answers for lesion in item.lesions]
    groups = content.get_image_measurement_groups()
    assert len(groups) == len(lesions) == 3
    for group, lesion in zip(groups, lesions, strict=True):
        volume, axis, hu = (item.value for item in group.get_measurements())
        assert volume == pytest.approx(lesion.volume_ml * 1000, abs=0.1)
        assert (axis, hu) == pytest.approx((lesion.longest_axial_diameter_mm, lesion.mean_hu), abs=0.1)


def test_the_report_keeps_the_words(folder):
    texts = [element.value for element in report(folder).iterall() if element.keyword == "TextValue"]
    assert f"expression={CHINESE}" in texts
    assert "expression=the largest bone" in texts
