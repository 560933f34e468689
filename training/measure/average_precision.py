"""Average precision as in image-retrieval benchmarks, without junk images.

Source: the evaluation programs of Oxford Buildings (Philbin et al. 2007) and Holidays (Jégou et
al. 2008), which agree: the area under the precision-recall curve by the trapezoidal rule.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np


def average_precision(
    ranking: Iterable[int], positives: Collection[int], junk: Collection[int] = ()
) -> float:
    """Average precision of one query, 0 to 1.

    The i-th positive at rank s (without junk) adds the trapezoid between the precisions
    (i - 1) / (s - 1), or 1 if s = 1, and i / s, over one step of recall.

    Args:
        ranking: database rows, best first.
        positives: rows that show the query's object; at least one.
        junk: rows to skip.

    Raises:
        ValueError: no positive.
    """
    right, skipped = set(positives), set(junk)
    if not right:
        raise ValueError('a query without a positive has no average precision')
    area, found, seen = 0.0, 0, 0
    for row in ranking:
        if row in skipped:
            continue
        if row in right:
            before = found / seen if seen else 1.0
            area += (before + (found + 1) / (seen + 1)) / 2.0
            found += 1
        seen += 1
    return area / len(right)


def mean_average_precision(values: Iterable[float]) -> float:
    """Mean over the queries, in percent; NaN without queries."""
    all_values = list(values)
    return 100.0 * float(np.mean(all_values)) if all_values else float('nan')
