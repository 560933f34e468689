"""Run every check on every part of a data set, and between the parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

from tqdm import tqdm

from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.replay.config import EvaluationConfig, TupleConfig
from ghost_vpr_ros.replay.places.place_set import PlaceSet
from training.datasets.data_config import DataConfig
from training.datasets.doctor.file_checks import (
    check_duplicates,
    check_listed,
    check_missing,
    check_readable,
    hashes_of,
)
from training.datasets.doctor.findings import Finding, Severity, problem
from training.datasets.doctor.order_checks import check_order
from training.datasets.doctor.place_checks import (
    PositiveCounts,
    check_counts,
    check_positives,
    check_thresholds,
    count_positives,
)
from training.datasets.doctor.position_checks import check_coordinates, check_zone
from training.datasets.doctor.published_sizes import PUBLISHED_SIZES, resolved_reference
from training.datasets.doctor.split_checks import check_shared_images, check_shared_places
from training.datasets.open_place_set import open_place_set
from training.datasets.readers.splits import manifest_of, splits_of


@dataclass(frozen=True)
class CheckupConfig(Config):
    """The checks to run, and the reference."""

    reference: str = setting(
        '', "row of the published counts, or none; empty: the row of the data set's name"
    )
    distance_m: float = setting(
        0.0,
        'images this close show one place; 0: the distance of the source, or else 10 in train and '
        '25 in the other parts',
        unit='m',
        low=0.0,
        high=1e5,
    )
    files: bool = setting(True, 'check the image files, not only lists and positions')
    duplicates: bool = setting(True, 'compare image files by their SHA-256')
    decode: bool = setting(True, 'decode every image')


@dataclass(frozen=True)
class CheckedPart:
    """One part of a data set and its figures.

    Attributes:
        places: the part.
        positives: statistics of the number of positives per query.
        has_images: whether any image file exists.
    """

    places: PlaceSet
    positives: PositiveCounts
    has_images: bool

    def figures(self) -> dict[str, Any]:
        """Plain values for a report."""
        return {
            'images': len(self.places),
            'queries': len(self.places.queries),
            'database': len(self.places.database),
            'positives': asdict(self.positives),
            'facts': {
                k: v for k, v in self.places.facts.items() if isinstance(v, str | float | int)
            },
        }


@dataclass(frozen=True)
class Report:
    """The findings of all checks.

    Attributes:
        parts: those that could be opened.
        findings: in the order of the checks.
    """

    parts: Sequence[CheckedPart]
    findings: Sequence[Finding]

    @property
    def is_healthy(self) -> bool:
        """Whether there is no problem; notes do not count."""
        return all(finding.severity is not Severity.PROBLEM for finding in self.findings)


def check_up(config: DataConfig, checkup: CheckupConfig) -> Report:
    """Open every part of a data set and check it; a part that cannot be opened is a finding.

    Raises:
        ConfigError: an unknown reference, or settings that contradict each other.
    """
    findings: list[Finding] = []
    parts: list[CheckedPart] = []
    for split in splits_of(config):
        split_config = replace(config, split=split, check_images=False)
        try:
            places = open_place_set(split_config)
        except GhostVprError as error:
            findings += _not_opened(split_config, error)
            continue
        found, part = _examine(places, split, checkup)
        findings += found
        parts.append(part)
    findings += _check_images(parts, checkup)
    for first, second in combinations(parts, 2):
        distance_m = TupleConfig.positive_distance_m
        findings += check_shared_places(first.places, second.places, distance_m)
    return Report(parts, findings)


def _not_opened(config: DataConfig, error: GhostVprError) -> list[Finding]:
    manifest = manifest_of(config)
    missing = [] if manifest is None else list(check_listed(manifest))
    return missing or [problem('open', config.split or str(config.path[0]), str(error))]


def _examine(
    places: PlaceSet, split: str, checkup: CheckupConfig
) -> tuple[list[Finding], CheckedPart]:
    """The checks that need only lists and positions."""
    reference = _reference(checkup, places, split)
    missing, has_images = check_missing(places) if checkup.files else ([], False)
    positives = count_positives(places, _distance_m(checkup, places, split))
    findings = [
        *check_counts(places, reference),
        *check_thresholds(places, reference),
        *check_coordinates(places),
        *check_zone(places),
        *check_order(places),
        *check_positives(places, positives),
        *missing,
    ]
    return findings, CheckedPart(places, positives, has_images)


def _reference(checkup: CheckupConfig, places: PlaceSet, split: str) -> str | None:
    requested = checkup.reference or None
    of_split = f'{requested}_{split}'
    return of_split if of_split in PUBLISHED_SIZES else resolved_reference(requested, places.name)


def _distance_m(checkup: CheckupConfig, places: PlaceSet, split: str) -> float:
    if checkup.distance_m:
        return checkup.distance_m
    if split == 'train':
        return TupleConfig.positive_distance_m
    return float(places.facts.get('posDistThr') or EvaluationConfig.positive_distance_m)


def _check_images(parts: Sequence[CheckedPart], checkup: CheckupConfig) -> list[Finding]:
    """The checks that need the files, once for all parts."""
    seen = [part.places for part in parts if part.has_images]
    findings: list[Finding] = []
    if checkup.duplicates:
        files = [file for places in seen for file in places.files]
        with tqdm(desc='compare', unit='image', disable=None) as bar:
            hashes = hashes_of(files, bar.update)
        for places in seen:
            findings += check_duplicates(places, hashes)
        for first, second in combinations(seen, 2):
            findings += check_shared_images(first, second, hashes)
    if checkup.decode:
        total = sum(map(len, seen))
        with tqdm(total=total, desc='decode', unit='image', disable=None) as bar:
            for places in seen:
                findings += check_readable(places, bar.update)
    return findings
