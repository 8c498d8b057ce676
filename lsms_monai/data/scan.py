# SPDX-License-Identifier: Apache-2.0
"""What a scanner does to HU: blur, noise with a texture, now and then streaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy import fft, ndimage

BLUR_MM = (0.5, 1.7)
NOISE_HU = (4.0, 25.0)
STREAK_RATE = 0.12


@dataclass(frozen=True)
class Scanner:
    """How sharp and how noisy an image is.

    Args:
        blur_mm: standard deviation of the Gaussian that blurs it within a slice.
        noise_hu: standard deviation of its noise.
    """

    blur_mm: float
    noise_hu: float

    def blurred(self, image: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
        """What an image (W, H, D) would be without noise."""
        return blurred(image, self.blur_mm, spacing)

    def signal_to_noise(self, seen: np.ndarray) -> float:
        """Ratio at which a blurred change (W, H, D) in HU stands out of white noise, on the slice where it does most.

        That of the filter matched to the change: the root of its sum of squares, over the standard deviation.
        """
        return float(np.sqrt(np.square(seen).sum(axis=(0, 1)).max(initial=0)) / max(self.noise_hu, 1e-6))


def blurred(image: np.ndarray, sigma_mm: float, spacing: Sequence[float]) -> np.ndarray:
    """Smooth an image (W, H, D) within each slice."""
    return ndimage.gaussian_filter(image, [sigma_mm / spacing[0], sigma_mm / spacing[1], 0])


def draw_scanner(generator: Generator) -> Scanner:
    """Draw a scanner and its settings."""
    return Scanner(generator.uniform(*BLUR_MM), float(np.exp(generator.uniform(*np.log(NOISE_HU)))))


def scan(generator: Generator, hu: np.ndarray, spacing: Sequence[float], scanner: Scanner) -> np.ndarray:
    """Give the image that a scanner makes of a body.

    Args:
        generator: the only source of randomness.
        hu: noise-free HU (W, H, D), float32.
        spacing: voxel size in mm.
        scanner: its blur and the strength of its noise; the texture of the noise and streaks are drawn.

    Returns:
        int16 HU (W, H, D).
    """
    size, axes = hu.shape[:2], (0, 1)
    x, y = fft.fftfreq(size[0], spacing[0]), fft.rfftfreq(size[1], spacing[1])
    squares = [np.square(axis, dtype=np.float32) for axis in (x[:, None, None], y[:, None])]  # (cycles per mm)^2
    image = fft.rfft2(hu, axes=axes)
    image *= _low_pass(squares, scanner.blur_mm)
    grain = _low_pass(squares, generator.uniform(0.3, 1.3))
    if generator.random() < 0.7:  # a sharp kernel lets fine noise through
        grain *= np.sqrt(np.sqrt(squares[0] + squares[1]) + np.float32(0.01))
    gain = np.sqrt(max(float(np.mean(np.square(grain))), 1e-12))  # of white noise's standard deviation
    noise = fft.rfft2(generator.standard_normal(hu.shape, np.float32), axes=axes)
    noise *= grain * np.float32(scanner.noise_hu / gain)
    image += noise
    result = fft.irfft2(image, s=size, axes=axes)
    if generator.random() < STREAK_RATE:
        result += _streaks(generator, hu, spacing)
    return np.clip(np.rint(result, out=result), -1024, 3071, out=result).astype(np.int16)


def _low_pass(squares: Sequence[np.ndarray], sigma_mm: float) -> np.ndarray:
    """Transfer function of a Gaussian blur."""
    across, along = (np.exp(square * np.float32(-2 * (np.pi * sigma_mm) ** 2)) for square in squares)
    return across * along


def _streaks(generator: Generator, hu: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Bright and dark lines across the body (photons lost between the arms), or rays from one dense thing."""
    x, y = ((np.arange(n) * step).astype(np.float32) for n, step in zip(hu.shape, spacing[:2], strict=False))
    height = np.float32(generator.uniform(5, 25))
    if generator.random() < 0.5:
        lines = np.interp(y, np.arange(0, y[-1] + 8, 4), generator.uniform(-1, 1, len(np.arange(0, y[-1] + 8, 4))))
        tilt = height * lines.astype(np.float32)[None, :, None]
    else:
        centre = generator.uniform(0.2, 0.8, 2) * (x[-1], y[-1])
        dx, dy = x[:, None] - np.float32(centre[0]), y - np.float32(centre[1])
        turn = ((np.arctan2(dy, dx) + np.float32(np.pi)) * np.float32(360 / np.pi)).astype(int) % 720
        rays = generator.normal(0, 1, 720).astype(np.float32) * (generator.random(720) < 0.3)
        fade = np.exp(-np.sqrt(dx * dx + dy * dy) / np.float32(generator.uniform(40, 120)))
        tilt = (height * rays[turn] * fade)[..., None]
    return tilt * (hu > -500)
