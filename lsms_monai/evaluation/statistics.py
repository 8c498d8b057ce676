# SPDX-License-Identifier: Apache-2.0
"""Means over patients with their uncertainty, and what a score of existence can tell apart."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

NUM_RESAMPLES = 1000
LEAST_T_ACC = 0.95  # true queries that an existence threshold has to let through
NUM_BINS = 10


@dataclass(frozen=True)
class Estimate:
    """Macro mean over patients with its 95 % bootstrap interval.

    Args:
        value: mean of the patients' means; nan without a sample.
        low: 2.5th percentile over resampled patients; nan with fewer than two patients.
        high: 97.5th percentile.
        num_samples: how many values.
        num_patients: of how many patients.
    """

    value: float
    low: float
    high: float
    num_samples: int
    num_patients: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {key: finite(value) for key, value in asdict(self).items()}


def estimate(values: Iterable[tuple[str, float]], seed: int = 0) -> Estimate:
    """Average over each patient, then over patients, so that one with many slices counts once.

    Args:
        values: (patient, value); values that are nan are left out.
        seed: of the bootstrap.
    """
    by_patient: dict[str, list[float]] = {}
    for patient, value in values:
        if not math.isnan(value):
            by_patient.setdefault(patient, []).append(float(value))
    means = np.array([np.mean(of_one) for of_one in by_patient.values()])
    num_patients, num_samples = len(means), sum(map(len, by_patient.values()))
    low = high = float("nan")
    if num_patients > 1:
        drawn = np.random.default_rng(seed).integers(num_patients, size=(NUM_RESAMPLES, num_patients))
        low, high = (float(x) for x in np.percentile(means[drawn].mean(axis=1), (2.5, 97.5)))
    return Estimate(float(means.mean()) if num_patients else float("nan"), low, high, num_samples, num_patients)


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Probability that a positive scores above a negative, ties by half; nan where one kind is missing.

    Example:
        >>> auroc([0.9, 0.8], [0.1, 0.8])
        0.875
    """
    if not len(positive) or not len(negative):
        return float("nan")
    ranks = rankdata([*positive, *negative])[: len(positive)]
    return float((ranks.sum() - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative)))


def threshold_for(positive: Sequence[float], least_rate: float = LEAST_T_ACC) -> float:
    """Find the highest threshold that at least this rate of the positives reaches; nan without any.

    Example:
        >>> threshold_for([0.1, 0.6, 0.7, 0.8], 0.75)
        0.6
    """
    ordered = sorted(positive)
    allowed = math.floor(len(ordered) * (1 - least_rate) + 1e-9)
    return float(ordered[allowed]) if ordered else float("nan")


def calibration(confidences: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Compare confidence with the rate of being right, in bins of equal width.

    Args:
        confidences: (confidence 0..1, whether it was right).

    Returns:
        `ece`: expected calibration error; `brier`: mean squared error; `bins` with `low`, `high`, `count`,
        `confidence` and `accuracy` of each bin that holds anything.
    """
    if not confidences:
        return {"num_lesions": 0, "ece": None, "brier": None, "bins": []}
    confidence, right = np.array(confidences, dtype=np.float64).T
    index = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    bins = []
    for number in np.unique(index):
        inside = index == number
        bins.append(
            {
                "low": number / NUM_BINS,
                "high": (number + 1) / NUM_BINS,
                "count": int(inside.sum()),
                "confidence": float(confidence[inside].mean()),
                "accuracy": float(right[inside].mean()),
            }
        )
    gaps = [b["count"] * abs(b["confidence"] - b["accuracy"]) for b in bins]
    brier = float(((confidence - right) ** 2).mean())
    return {"num_lesions": len(right), "ece": sum(gaps) / len(right), "brier": brier, "bins": bins}


def finite(value: Any) -> Any:
    """Give None for what is not finite, as JSON has no word for it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
