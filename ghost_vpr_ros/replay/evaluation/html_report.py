"""The self-contained page `report.html` of a replay or an evaluation."""

from __future__ import annotations

import base64
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from ghost_vpr_ros import __version__
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.replay.evaluation.match_sheet import Tile
from ghost_vpr_ros.replay.evaluation.plots import svg_of
from ghost_vpr_ros.replay.output_files import write_file

MOST_ROWS = 3000
"""Answers that a page lists and draws; `per_query.csv` has all."""

_LIBRARIES = ('numpy', 'opencv-python-headless', 'faiss-cpu', 'openvino', 'onnxruntime', 'torch')
_TILE_WIDTH_PX = 320
_JPEG_QUALITY = 80
_NOT_SETTINGS = ('accepted_wrong', 'latency_ms', 'recall', 'units', 'states', 'reasons')


@dataclass(frozen=True)
class Sheet:
    """Pictures under a heading: each row a query and what was found."""

    heading: str
    rows: Sequence[Sequence[Tile]]


@dataclass(frozen=True)
class Picture:
    """A figure of the page with its heading and a sentence about it."""

    heading: str
    figure: Figure
    caption: str
    height_in: float = 3.6


@dataclass(frozen=True)
class Report:
    """What the page shows.

    Attributes:
        title: of the run.
        headline: summary of the result; the first line is printed large.
        pictures: drawn in this order.
        sheets: of queries and matches.
        columns: names of the columns of `rows`.
        rows: the answers by number; dots link to them as `#row-7`.
        num_answers: total number of answers; `rows` may hold fewer.
        metrics: content of `metrics.json`.
        recall: percent by N; empty without ground truth.
    """

    title: str
    headline: Sequence[str]
    pictures: Sequence[Picture]
    sheets: Sequence[Sheet]
    columns: Sequence[str]
    rows: Mapping[int, Sequence[Any]]
    num_answers: int
    metrics: Mapping[str, Any]
    recall: Mapping[str, float] = field(default_factory=dict)


def row_link(number: int) -> str:
    """Link from the dot of an answer to its row."""
    return f'#row-{number}'


def listed_rows(count: int, always: Sequence[int] = ()) -> list[int]:
    """Numbers of the answers on the page: an even sample of many, and those of `always`."""
    return sorted({*evenly_spaced(count, MOST_ROWS), *always})


def write_report(report: Report, path: Path) -> None:
    """Write the page.

    Raises:
        OutputError: it cannot be written.
    """
    pages = Environment(
        loader=PackageLoader(__package__ or '', 'pages'),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    pages.filters.update(jpeg_uri=_jpeg_uri, words=_words, shown=_shown)
    page = pages.get_template('report.html.j2').render(
        report=report,
        pictures=[(each, svg_of(each.figure, each.height_in)) for each in report.pictures],
        settings={k: v for k, v in report.metrics.items() if k not in _NOT_SETTINGS},
        versions=_versions(),
    )
    write_file(path, page)


def _jpeg_uri(tile: Tile) -> str:
    """A thumbnail of a tile as a data URI."""
    picture = Image.fromarray(tile.image)
    picture.thumbnail((_TILE_WIDTH_PX, _TILE_WIDTH_PX))
    jpeg = encode_jpeg(np.asarray(picture, np.uint8), _JPEG_QUALITY)
    return 'data:image/jpeg;base64,' + base64.b64encode(jpeg).decode()


def _words(name: Any) -> str:
    return str(name).replace('_', ' ')


def _shown(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return '–'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, list | tuple):
        return ', '.join(map(_shown, value)) or '–'
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def _versions() -> dict[str, str]:
    """Of this package, Python and the libraries that are installed."""
    found = {'ghost_vpr_ros': __version__, 'Python': platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {**found, 'machine': f'{platform.system()} {platform.machine()}'}
