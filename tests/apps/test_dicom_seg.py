# SPDX-License-Identifier: Apache-2.0
"""DICOM SEG and SR: the right voxels of the right patient, the words on record, nothing left out and nothing half."""

import json

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom import (
    ALGORITHM,
    CHINESE,
    ORIENTATIONS,
    answer,
    errors_of_dciodvfy,
    lps_affine,
    three_answers,
    write_series,
)
from stub import scene

from lsms_monai.answer import Answer
from lsms_monai.dicom_seg import check_expressions, output_files, segmentation


@pytest.fixture
def folder(tmp_path):
    return write_series(tmp_path / "series")


@pytest.fixture
def seg(folder, tmp_path):
    return written(folder, tmp_path / "seg.dcm")


def written(folder, path):
    """A SEG of three answers, as read back from its file."""
    segmentation(*three_answers(folder), ALGORITHM).save_as(path)
    return pydicom.dcmread(path)


def points(seg, number):
    """LPS mm of the voxels of one segment, frame by frame from what each frame says about itself."""
    shared = seg.SharedFunctionalGroupsSequence[0]
    row, column = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    between_rows, between_columns = shared.PixelMeasuresSequence[0].PixelSpacing
    found = []
    for pixels, frame in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        if frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
            j, i = np.nonzero(pixels)
            position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
            found.append(position + np.outer(i, row * between_columns) + np.outer(j, column * between_rows))
    return in_order(np.concatenate(found))


def in_order(points_mm):
    return points_mm[np.lexsort(points_mm.round(2).T)]


def places(mask, affine):
    """LPS mm of the voxels of a mask."""
    return in_order(np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_segments_lie_where_the_lesions_lie(orientation, tmp_path):
    image, masks = scene()
    affine = lps_affine(orientation)
    seg = written(write_series(tmp_path / "series", image, affine, seed=3), tmp_path / "seg.dcm")
    np.testing.assert_allclose(points(seg, 1), places(masks["dark"], affine), atol=1e-3)
    np.testing.assert_allclose(points(seg, 2), places(masks["dark"] | masks["bright"], affine), atol=1e-3)
    source, answers = three_answers(tmp_path / "series")
    pixels = hd.seg.segread(seg.filename).get_pixels_by_source_instance([s.SOPInstanceUID for s in source.slices])
    np.testing.assert_array_equal(pixels, np.stack([answer.mask.T for answer in answers], axis=-1))


def test_one_slice_is_enough(tmp_path):
    image, masks = scene()
    affine = lps_affine()
    seg = written(write_series(tmp_path / "series", image[:, :, 2:3], affine), tmp_path / "seg.dcm")
    np.testing.assert_allclose(points(seg, 1), places(masks["dark"][:, :, 2:3], affine), atol=1e-3)


def test_the_frames_refer_to_the_slices_they_lie_on(folder, seg):
    slices = {header.SOPInstanceUID: header for header in map(pydicom.dcmread, folder.iterdir())}
    first = next(iter(slices.values()))
    for frame in seg.PerFrameFunctionalGroupsSequence:
        source = slices[frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        assert frame.PlanePositionSequence[0].ImagePositionPatient == source.ImagePositionPatient
    referenced = seg.ReferencedSeriesSequence[0]
    assert referenced.SeriesInstanceUID == first.SeriesInstanceUID
    assert {item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence} == set(slices)
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName", "PatientBirthDate"):
        assert seg[keyword].value == first[keyword].value
    assert seg.SeriesInstanceUID != first.SeriesInstanceUID


def test_the_expression_is_on_record_in_full_and_in_plain_letters(seg):
    dark, chinese, _bone = seg.SegmentSequence
    assert [item.SegmentDescription for item in seg.SegmentSequence] == ["the dark lesion", CHINESE, "the largest bone"]
    assert seg.SpecificCharacterSet == "ISO_IR 192"
    assert str(seg.PatientName) == "Müller^Jürgen"
    assert (dark.SegmentLabel, chinese.SegmentLabel) == ("the dark lesion", "grote Lasion")
    recorded = json.loads(chinese.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters)
    assert recorded["expression"] == CHINESE
    assert (recorded["found"], recorded["existence"]) == (True, 0.75)
    assert recorded["resolution"] == "as the network answered"


def test_nothing_found_is_stated(seg):
    bone = seg.SegmentSequence[2]
    assert bone.SegmentLabel == "not found: the largest bone"
    assert json.loads(bone.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters)["found"] is False
    assert seg.ContentDescription == "2 of 3 expressions found (research use only)"
    frames = seg.PerFrameFunctionalGroupsSequence
    assert {frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber for frame in frames} == {1, 2}


def test_a_segmentation_of_nothing_at_all_is_valid_and_empty(folder, tmp_path):
    source, answers = three_answers(folder)
    segmentation(source, answers[2:], ALGORITHM).save_as(tmp_path / "seg.dcm")
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    assert not seg.pixel_array.any()
    assert seg.SegmentSequence[0].SegmentDescription == "the largest bone"
    assert errors_of_dciodvfy(tmp_path / "seg.dcm") == []


def test_the_algorithm_is_named_and_no_code_is_guessed_from_words(seg):
    for item in seg.SegmentSequence:
        algorithm = item.SegmentationAlgorithmIdentificationSequence[0]
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("Two words", "1.2.3")
        assert algorithm.AlgorithmFamilyCodeSequence[0].CodeValue == "123110"
        assert item.SegmentAlgorithmType == "SEMIAUTOMATIC"
        assert item.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
        assert item.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Lesion"
    assert "research use only" in seg.SeriesDescription


def test_an_expression_is_tracked_by_its_words_and_study(folder, seg, tmp_path):
    again, other = written(folder, tmp_path / "again.dcm"), written(write_series(tmp_path / "b"), tmp_path / "b.dcm")
    uids = [[item.TrackingUID for item in data.SegmentSequence] for data in (seg, again, other)]
    assert uids[0] == uids[1]
    assert len({*uids[0], *uids[2]}) == 6
    assert all(item.TrackingID.startswith("LSMS ") for item in seg.SegmentSequence)


def test_a_long_label_is_cut_and_a_backslash_does_not_end_it(folder):
    source, answers = three_answers(folder)
    words = "the \\ lesion " * 10
    segment = segmentation(source, [answer(words, *([answers[0].mask] * 2), source.affine)], ALGORITHM).SegmentSequence[
        0
    ]
    assert segment.SegmentDescription == words
    assert segment.SegmentLabel.startswith("the / lesion the / lesion")
    assert len(segment.SegmentLabel.encode()) <= 64


def test_dciodvfy_has_nothing_against_the_segmentation(seg):
    assert errors_of_dciodvfy(seg.filename) == []


@pytest.mark.parametrize("words", ["the\0lesion", "the\nlesion", "\x1b[31mred", "\udcff"])
def test_control_characters_are_refused(words):
    with pytest.raises(ValueError, match=r"must not hold control characters, got .*; write one plain line"):
        check_expressions(["fine", words])


def test_an_expression_that_dicom_cannot_hold_is_refused():
    check_expressions(["囊" * 1024])
    with pytest.raises(ValueError, match=r"at most 1024 characters, got 1025: .*; shorten it"):
        check_expressions(["x" * 1025])


def test_masks_of_another_shape_are_refused(folder):
    source, answers = three_answers(folder)
    half = Answer("half", answers[0].mask[::2], [])
    with pytest.raises(ValueError, match=r"the shape of the DICOM series, \(41, 37, 7\), got \(21, 37, 7\)"):
        segmentation(source, [half], ALGORITHM)


def test_a_series_with_little_about_the_patient_is_enough(folder, tmp_path):
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        for keyword in ("PatientName", "PatientSex", "StudyID", "StudyTime", "SeriesNumber", "SliceThickness"):
            delattr(data, keyword)
        data.save_as(path)
    seg = written(folder, tmp_path / "seg.dcm")
    assert seg.PatientID == "phantom 1"
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness == pytest.approx(4.0)


def write_the_first_and_fail(paths):
    with output_files(*paths) as hidden:
        hidden[0].write_text("half")
        raise RuntimeError("half")


def test_files_appear_together_or_not_at_all(tmp_path):
    one, two = tmp_path / "one.dcm", tmp_path / "two.dcm"
    with pytest.raises(RuntimeError, match="half"):
        write_the_first_and_fail([one, two])
    assert list(tmp_path.iterdir()) == []
    with output_files(one, two) as hidden:
        for path in hidden:
            path.write_text("whole")
    assert sorted(tmp_path.iterdir()) == [one, two]


def test_two_outputs_are_two_files(tmp_path):
    paths = tmp_path / "one.dcm", tmp_path / "link.dcm"
    paths[1].symlink_to(paths[0])
    for other in paths:
        message = r"each output needs a file of its own, got .*one\.dcm twice; choose another name"
        with pytest.raises(ValueError, match=message), output_files(paths[0], other):
            pass


def test_a_file_that_came_in_the_meantime_is_kept(tmp_path):
    def replace_what_came_in_the_meantime():
        with output_files(tmp_path / "seg.dcm") as (hidden,):
            hidden.write_text("ours")
            (tmp_path / "seg.dcm").write_text("theirs")

    with pytest.raises(FileExistsError, match=r"seg\.dcm exists; choose another name"):
        replace_what_came_in_the_meantime()
    assert (tmp_path / "seg.dcm").read_text() == "theirs"


def test_existing_files_are_replaced_only_when_asked(tmp_path):
    (tmp_path / "old.dcm").write_text("old")
    with (
        pytest.raises(FileExistsError, match=r"old\.dcm exists; choose another name"),
        output_files(tmp_path / "old.dcm"),
    ):
        pass
    with output_files(tmp_path / "old.dcm", overwrite=True) as (hidden,):
        hidden.write_text("new")
    assert (tmp_path / "old.dcm").read_text() == "new"
    with pytest.raises(OSError, match="cannot be written"), output_files(tmp_path / "absent" / "new.dcm"):
        pass
