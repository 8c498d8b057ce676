# SPDX-License-Identifier: Apache-2.0
"""Answers as one DICOM SEG: a segment per expression, the words on record."""

import json
import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

import lsms_monai
from lsms_monai.answer import Answer
from lsms_monai.dicom_seg.source import SourceSeries

MAKER = "lsms_monai"
MAX_EXPRESSION_LENGTH = 1024  # characters that Segment Description (VR ST) holds
MAX_LABEL_BYTES = 64  # that Segment Label (VR LO) holds
_RECORDED = ("expression", "found", "existence", "resolution", "unknown_words", "volume_ml")  # of Answer.to_dict


@dataclass(frozen=True)
class Algorithm:
    """Who answered: the name and the version of a bundle, as `metadata.json` gives them."""

    name: str
    version: str

    @classmethod
    def of_bundle(cls, metadata: dict[str, Any]) -> "Algorithm":
        """Take both from the content of `metadata.json`, cut to the 64 characters that DICOM allows."""
        return cls(str(metadata.get("name", MAKER))[:64], str(metadata.get("version", "unknown"))[:57])


def check_expressions(expressions: Sequence[str]) -> None:
    """Refuse what DICOM could not keep word by word, before anything is computed.

    Raises:
        ValueError: if an expression is longer than Segment Description or holds control characters.
    """
    for expression in expressions:
        if len(expression) > MAX_EXPRESSION_LENGTH:
            raise ValueError(
                f"an expression in DICOM must have at most {MAX_EXPRESSION_LENGTH} characters, got {len(expression)}: "
                f"{expression[:40]!r}...; shorten it"
            )
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in expression):
            raise ValueError(
                f"an expression in DICOM must not hold control characters, got {expression!r:.80}; write one plain line"
            )


def check_source(source: SourceSeries) -> None:
    """Refuse a series that no SEG can refer to, before anything is computed: its first slice is tried.

    Raises:
        ValueError: if what the series says of patient, study or equipment is not DICOM.
    """
    first = SourceSeries(source.slices[:1], source.affine)
    whole = np.ones((int(first.slices[0].Columns), int(first.slices[0].Rows), 1), bool)
    try:
        segmentation(first, [Answer("anything", whole, [])], Algorithm(MAKER, lsms_monai.__version__))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(
            f"DICOM SEG needs a series whose headers are valid, got an error: {error}; export the series again"
        ) from error


def segmentation(source: SourceSeries, answers: Sequence[Answer], algorithm: Algorithm) -> hd.seg.Segmentation:
    """Make one DICOM SEG with one binary segment per answer; segments may overlap.

    Each expression stands in full in Segment Description and, with what was decided about it, as JSON in Algorithm
    Parameters. What was not found keeps its segment: no voxel is in it and its label begins with "not found".

    Args:
        source: the series that was segmented.
        answers: masks (W, H, D) on its voxels.
        algorithm: who answered.

    Returns:
        The data set, ready for `save_as`.

    Raises:
        ValueError: if a mask is not on the voxels of the series.
    """
    first = source.slices[0]
    shape = (int(first.Columns), int(first.Rows), len(source.slices))
    for answer in answers:
        if answer.mask.shape != shape:
            raise ValueError(f"masks must have the shape of the DICOM series, {shape}, got {answer.mask.shape}")
    num_found = sum(answer.found for answer in answers)
    return hd.seg.Segmentation(
        source_images=source.slices,
        pixel_array=np.stack([answer.mask.T for answer in answers], axis=-1),  # (D, H, W, segments)
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _segment(number, answer, first.StudyInstanceUID, algorithm) for number, answer in enumerate(answers, 1)
        ],
        content_label="LSMS",
        content_description=f"{num_found} of {len(answers)} expressions found (research use only)",
        series_description="LSMS: lesions by expression (research use only)",
        **instance(first, algorithm, series_offset=1000),
    )


def tracking(study: str, expression: str) -> tuple[str, str]:
    """Give the UID and the text that follow an expression about a study: the same when it is asked twice."""
    digest = uuid.uuid5(uuid.NAMESPACE_OID, f"{study}\n{expression}")
    return f"2.25.{digest.int}", f"LSMS {digest.hex[:8]}"


def instance(first: Dataset, algorithm: Algorithm, series_offset: int) -> dict[str, Any]:
    """What any new object in a series of its own has to say about itself.

    Args:
        first: a slice of the source series.
        algorithm: who answered.
        series_offset: added to the source's series number.
    """
    return {
        "series_instance_uid": hd.UID(),
        "series_number": series_offset + int(first.get("SeriesNumber") or 0),
        "sop_instance_uid": hd.UID(),
        "instance_number": 1,
        "manufacturer": MAKER,
        "manufacturer_model_name": algorithm.name,
        "software_versions": [lsms_monai.__version__, f"bundle {algorithm.version}"],
        "device_serial_number": "none",
        "specific_character_set": "ISO_IR 192",
    }


def _segment(number: int, answer: Answer, study: str, algorithm: Algorithm) -> hd.seg.SegmentDescription:
    """One segment. Its codes are the same for every expression: words typed by a person are never turned into codes."""
    identification = hd.AlgorithmIdentificationSequence(
        algorithm.name, codes.DCM.ArtificialIntelligence, algorithm.version, source=MAKER
    )
    decided = answer.to_dict()
    tracking_uid, tracking_id = tracking(study, answer.expression)
    identification[0].AlgorithmParameters = json.dumps({key: decided[key] for key in _RECORDED}, ensure_ascii=False)
    segment = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=_label(number, answer),
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        anatomic_regions=[codes.SCT.Liver],
        # a person's words decide what is outlined
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=identification,
        tracking_uid=tracking_uid,
        tracking_id=tracking_id,
    )
    segment.SegmentDescription = answer.expression
    return segment


def _label(number: int, answer: Answer) -> str:
    """At most 64 characters of plain ASCII, since viewers cut and garble more; a backslash would end the value."""
    plain = unicodedata.normalize("NFKD", answer.expression).encode("ascii", "ignore").decode().replace("\\", "/")
    words = " ".join(plain.split()) or f"expression {number}"
    return (words if answer.found else f"not found: {words}")[:MAX_LABEL_BYTES].strip()
