# SPDX-License-Identifier: Apache-2.0
"""The numbers of an answer as a DICOM structured report: TID 1500, which refers to the segments of a DICOM SEG."""

import uuid
from collections.abc import Sequence
from typing import Any

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from lsms_monai.answer import Answer, Lesion
from lsms_monai.dicom_seg.segments import MAKER, Algorithm, instance, tracking
from lsms_monai.dicom_seg.source import SourceSeries

_FINDING = {"finding_category": codes.SCT.MorphologicallyAbnormalStructure, "finding_type": codes.SCT.Lesion}


def measurement_report(
    source: SourceSeries, seg: Dataset, answers: Sequence[Answer], algorithm: Algorithm
) -> hd.sr.ComprehensiveSR:
    """Report what was found: one group per expression, followed by one group per lesion.

    The group of an expression refers to its segment, keeps the expression in full as a parameter of the algorithm, and
    says present or absent. The group of a lesion gives volume, longest axial diameter and mean HU, and refers to the
    slice through its centre.

    Args:
        source: the series that was segmented.
        seg: what `segmentation` made of the same answers.
        answers: what was found.
        algorithm: who answered.

    Returns:
        The data set, ready for `save_as`; complete, and verified by nobody.
    """
    device = uuid.uuid5(uuid.NAMESPACE_OID, f"{algorithm.name}\n{algorithm.version}")
    observer = hd.sr.ObserverContext(
        codes.DCM.Device,
        hd.sr.DeviceObserverIdentifyingAttributes(
            uid=f"2.25.{device.int}", name=algorithm.name, manufacturer_name=MAKER
        ),
    )
    groups: list[Any] = []
    for number, answer in enumerate(answers, 1):
        groups.append(_expression_group(number, answer, source, seg, algorithm))
        groups += [_lesion_group(number, answer, lesion, source) for number, lesion in enumerate(answer.lesions, 1)]
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.SCT.ComputedTomography,
        imaging_measurements=groups,
    )
    return hd.sr.ComprehensiveSR(
        evidence=[*source.slices, seg],
        content=content,
        is_complete=True,
        series_description="LSMS: measurements (research use only)",
        **instance(source.slices[0], algorithm, series_offset=2000),
    )


def _expression_group(
    number: int, answer: Answer, source: SourceSeries, seg: Dataset, algorithm: Algorithm
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    """What was asked, where the segment is, whether anything was found, and its whole volume."""
    first = source.slices[0]
    presence = codes.DCM.Present if answer.found else codes.DCM.Absent
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(*tracking(first.StudyInstanceUID, answer.expression)),
        referenced_segment=hd.sr.ReferencedSegment(
            seg.SOPClassUID,
            seg.SOPInstanceUID,
            number,
            source_series=hd.sr.SourceSeriesForSegmentation(first.SeriesInstanceUID),
        ),
        algorithm_id=hd.sr.AlgorithmIdentification(
            algorithm.name, algorithm.version, parameters=[f"expression={answer.expression}"]
        ),
        qualitative_evaluations=[hd.sr.QualitativeEvaluation(codes.DCM.PresenceOfProperty, presence)],
        measurements=[_volume(answer.volume_ml)],
        **_FINDING,
    )


def _lesion_group(
    number: int, answer: Answer, lesion: Lesion, source: SourceSeries
) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    """The numbers of one lesion."""
    study = source.slices[0].StudyInstanceUID
    _, whole = tracking(study, answer.expression)
    uid, _ = tracking(study, f"{answer.expression}\n{number}")
    slice_through = source.nearest(lesion.centroid_mm)
    measurements = [
        _volume(lesion.volume_ml),
        hd.sr.Measurement(codes.SCT.LongAxis, round(lesion.longest_axial_diameter_mm, 1), codes.UCUM.Millimeter),
    ]
    if lesion.mean_hu is not None:
        measurements.append(
            hd.sr.Measurement(
                codes.DCM.AttenuationCoefficient,
                round(lesion.mean_hu, 1),
                codes.UCUM.HounsfieldUnit,
                derivation=codes.SCT.Mean,
            )
        )
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid, f"{whole}, lesion {number} of {len(answer.lesions)}"),
        source_images=[hd.sr.SourceImageForMeasurementGroup.from_source_image(slice_through)],
        measurements=measurements,
        **_FINDING,
    )


def _volume(volume_ml: float) -> hd.sr.Measurement:
    return hd.sr.Measurement(codes.SCT.Volume, round(volume_ml * 1000, 1), codes.UCUM.CubicMillimeter)
