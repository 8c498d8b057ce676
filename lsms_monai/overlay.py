# SPDX-License-Identifier: Apache-2.0
"""One picture per answer that a person can judge at a glance."""

from functools import partial
from typing import cast

import nibabel as nib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from lsms_monai.answer import Answer, axial_axis

HU_WINDOW = (-125.0, 225.0)  # abdomen: fat dark, liver mid-grey, bone white
VIEW_PX = 720  # longer side of the slice in the picture
_MARGIN_PX = 16
_MAX_EXPRESSION_LINES = 5
_CONTOUR, _MARK, _PAPER = (255, 221, 0), (143, 216, 255), (18, 20, 24)
_EXPRESSION, _FOUND, _NOT_FOUND, _NOTE = (255, 255, 255), (140, 235, 150), (255, 171, 94), (150, 154, 160)


def draw_overlay(image: np.ndarray, affine: np.ndarray, answer: Answer) -> Image.Image:
    """Draw the axial slice with the largest mask area in the radiological view, with the mask's contour.

    The picture shows the patient's right on its left, whatever the order of the axes, with unequal voxel sizes made
    equal. A mask without a voxel gives the middle slice and says so.

    Args:
        image: intensities in HU, (W, H, D).
        affine: 4x4, voxel -> RAS mm.
        answer: what was found in this image.

    Returns:
        An RGB picture; the size depends on the shape of the slice and the length of the expression.
    """
    axis = axial_axis(affine)
    areas = answer.mask.sum(axis=tuple(a for a in range(3) if a != axis))
    slice_index = int(areas.argmax()) if answer.found else answer.mask.shape[axis] // 2
    sizes_mm = np.linalg.norm(affine[:3, :3], axis=0)
    plane, (width_mm, height_mm) = _radiological_view(image, affine, slice_index, sizes_mm)
    mask, _ = _radiological_view(answer.mask, affine, slice_index, sizes_mm)
    px_per_mm = VIEW_PX / max(plane.shape[1] * width_mm, plane.shape[0] * height_mm)
    size = (max(1, round(plane.shape[1] * width_mm * px_per_mm)), max(1, round(plane.shape[0] * height_mm * px_per_mm)))

    fine = (2 * size[0], 2 * size[1])
    view = _draw_contour(Image.fromarray(_window(plane)).resize(fine, Image.Resampling.BICUBIC), mask).reduce(2)
    canvas = Image.new("RGB", (VIEW_PX, max(size[1], VIEW_PX // 4)), "black")
    canvas.paste(view, ((VIEW_PX - size[0]) // 2, (canvas.height - size[1]) // 2))
    _draw_marks(canvas, px_per_mm)
    where = f"Axial slice {slice_index} (of 0 to {answer.mask.shape[axis] - 1}), "
    where += "the largest area of the mask" if answer.found else "the middle one, as nothing was found"
    window = f"window {HU_WINDOW[0]:g} to {HU_WINDOW[1]:g} HU"
    return _with_caption(canvas, answer, f"{where}; {window}. For research use only.")


def _radiological_view(
    volume: np.ndarray, affine: np.ndarray, slice_index: int, sizes_mm: np.ndarray
) -> tuple[np.ndarray, tuple[float, float]]:
    """One axial slice as rows front to back of columns patient's right to left, and the size of a pixel in mm."""
    axis = axial_axis(affine)
    one_slice = volume.take([slice_index], axis=axis)
    to_lps = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt("LPS"))
    plane = nib.orientations.apply_orientation(one_slice, to_lps)[:, :, 0].T
    column, row = (int(np.flatnonzero(to_lps[:, 0] == a)[0]) for a in (0, 1))
    return plane, (float(sizes_mm[column]), float(sizes_mm[row]))


def _window(plane: np.ndarray) -> np.ndarray:
    """Grey levels of HU; an image without air, such as an 8-bit slice, begins at its own darkest value."""
    plane = np.nan_to_num(plane.astype(np.float32), nan=HU_WINDOW[0], posinf=HU_WINDOW[1], neginf=HU_WINDOW[0])
    lower = min(max(HU_WINDOW[0], float(plane.min())), HU_WINDOW[1] - 1)
    return np.round(255 * np.clip((plane - lower) / (HU_WINDOW[1] - lower), 0, 1)).astype(np.uint8)


def _draw_contour(view: Image.Image, mask: np.ndarray) -> Image.Image:
    """Colour the pixels around the mask, so that what it covers stays visible."""
    source = Image.fromarray(mask.astype(np.uint8) * 255)
    smooth = np.asarray(source.resize(view.size, Image.Resampling.BILINEAR)) >= 128
    exact = np.asarray(source.resize(view.size, Image.Resampling.NEAREST)) > 0
    labels, _ = ndimage.label(exact, structure=np.ones((3, 3)))
    # a part of the mask that smoothing would lose is drawn voxel by voxel
    covered = smooth | (exact & ~np.isin(labels, labels[smooth]))
    pixels = np.array(view.convert("RGB"))
    pixels[ndimage.binary_dilation(covered, iterations=6) & ~covered] //= 3
    pixels[ndimage.binary_dilation(covered, iterations=4) & ~covered] = _CONTOUR
    return Image.fromarray(pixels)


def _draw_marks(canvas: Image.Image, px_per_mm: float) -> None:
    """Write the patient's sides and a bar of 5 cm, or 1 cm where the view is narrow."""
    draw = ImageDraw.Draw(canvas)
    font = _font(22)
    middle = canvas.height // 2
    write = partial(draw.text, font=font, fill=_MARK, stroke_width=2, stroke_fill="black")
    write((_MARGIN_PX, middle), "R", anchor="lm")
    write((canvas.width - _MARGIN_PX, middle), "L", anchor="rm")
    length_mm = 50 if 50 * px_per_mm < canvas.width / 2 else 10
    end, bottom = canvas.width - _MARGIN_PX, canvas.height - _MARGIN_PX
    start = end - length_mm * px_per_mm
    for width, colour in ((7, "black"), (3, _MARK)):
        draw.line([(start, bottom), (end, bottom)], fill=colour, width=width)
        for tick in (start, end):
            draw.line([(tick, bottom - 6), (tick, bottom + 6)], fill=colour, width=width)
    write(((start + end) / 2, bottom - 8), f"{length_mm // 10} cm", anchor="mb")


def _with_caption(canvas: Image.Image, answer: Answer, note: str) -> Image.Image:
    """Put the expression, the result, how it was resolved and the note under the slice."""
    width = canvas.width - 2 * _MARGIN_PX
    large, small = _font(20), _font(14)
    lines = [(line, large, _EXPRESSION) for line in _wrap(f"“{answer.expression}”", large, width)]
    lines += [(line, large, _FOUND if answer.found else _NOT_FOUND) for line in _wrap(answer.summary(), large, width)]
    lines += [(line, small, _NOTE) for text in (answer.resolution, note) for line in _wrap(text, small, width)]
    heights = [font.size * 1.4 for _, font, _ in lines]
    picture = Image.new("RGB", (canvas.width, canvas.height + round(sum(heights)) + 2 * _MARGIN_PX), _PAPER)
    picture.paste(canvas, (0, 0))
    draw = ImageDraw.Draw(picture)
    top = float(canvas.height + _MARGIN_PX)
    for (line, font, colour), height in zip(lines, heights, strict=True):
        draw.text((_MARGIN_PX, top), line, font=font, fill=colour)
        top += height
    return picture


def _font(size: int) -> ImageFont.FreeTypeFont:
    """A font of this machine that knows more than English letters, else the one inside Pillow."""
    for name in ("DejaVuSans.ttf", "Arial.ttf", "arial.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break a text into lines of at most `width` pixels, within a word if need be; what is too long ends in dots."""
    lines = [""]
    for word in " ".join(text.split()).split(" "):
        candidate = f"{lines[-1]} {word}".lstrip()
        if font.getlength(candidate) <= width:
            lines[-1] = candidate
            continue
        lines.append("")
        for letter in word:
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
        if len(lines) > _MAX_EXPRESSION_LINES + 1:
            break
    lines = [line for line in lines if line]
    if len(lines) > _MAX_EXPRESSION_LINES:
        lines = lines[:_MAX_EXPRESSION_LINES]
        lines[-1] = lines[-1][:-2] + " …"
    return lines
