"""Average precision as the benchmarks of image retrieval define it, junk images left out.

Source: the evaluation programs of Oxford Buildings (Philbin et al. 2007) and of Holidays (Jégou et
al. 2008), which agree: the area below the precision-recall curve by trapezoids.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np


def average_precision(
    ranking: Iterable[int], positives: Collection[int], junk: Collection[int] = ()
) -> float:
    """Average precision of one query, 0 to 1.

    At the i-th positive, found after s images that are not junk, the trapezoid between the
    precisions (i - 1) / (s - 1), 1 where s = 1, and i / s is added, over a step of recall.

    Args:
        ranking: database rows, best first.
        positives: rows that show the query's object; at least one.
        junk: rows that are skipped as if they were not there.

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
    """Mean over the queries in percent; NaN without queries."""
    all_values = list(values)
    return 100.0 * float(np.mean(all_values)) if all_values else float('nan')
