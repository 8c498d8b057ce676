# SPDX-License-Identifier: Apache-2.0
"""Lesions that people have outlined on slices, kept apart from the pictures: polygons in a JSON file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lsms_monai.keys import UNKNOWN_VALUE

Polygon = Sequence[tuple[float, float]]  # (x, y) in pixels of the picture, to the right and down, 0 a pixel's middle
FINER = 8  # pixels that a polygon is drawn on, in a pixel of the picture


@dataclass(frozen=True)
class Outlines:
    """What has been seen on one slice.

    Args:
        lesions: polygons of the lesions.
        unsure: polygons of what may be one.
    """

    lesions: Sequence[Polygon] = ()
    unsure: Sequence[Polygon] = ()

    def label_map(self, shape: Sequence[int]) -> np.ndarray:
        """Draw each lesion with a value of its own, 1 for the first, and 255 where nobody is sure.

        Args:
            shape: pixels (W, H).

        Returns:
            uint8 (W, H).
        """
        picture = Image.new("L", (FINER * shape[0], FINER * shape[1]))
        draw = ImageDraw.Draw(picture)
        drawn = [*((UNKNOWN_VALUE, polygon) for polygon in self.unsure), *enumerate(self.lesions, start=1)]
        for value, polygon in drawn:
            draw.polygon([(FINER * (x + 0.5), FINER * (y + 0.5)) for x, y in polygon], fill=value)
        return np.asarray(picture)[FINER // 2 :: FINER, FINER // 2 :: FINER].T.copy()


def read_outlines(path: str | Path) -> dict[str, Outlines]:
    """Read what has been seen on the slices of a set.

    Args:
        path: JSON file `{"slices": {NAME: {"lesions": [[[x, y], ...], ...], "unsure": [...]}}}`; a slice on which
            nothing was seen has `{}`, one that nobody has looked at is not there.

    Returns:
        Outlines of each slice by its name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not of this form.
    """
    try:
        slices = json.loads(Path(path).read_text())["slices"]
        read = {name: Outlines(seen.get("lesions", ()), seen.get("unsure", ())) for name, seen in slices.items()}
        for seen in read.values():
            for polygon in (*seen.lesions, *seen.unsure):
                if np.asarray(polygon, float).shape != (len(polygon), 2) or len(polygon) < 3:
                    raise ValueError(f"a polygon of {len(polygon)} points")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{path} must be JSON {{"slices": {{NAME: {{"lesions": [[[x, y], ...], ...], "unsure": [...]}}}}}} with '
            f"three points or more in each polygon, got {error!r}"
        ) from error
    return read
