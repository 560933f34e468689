"""Write the page and the plot of the comparison from its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.markdown import machine_lines, paragraph, significant, table
from benchmarks.recall_over_time.other_work import BUSY_SHARE
from benchmarks.recall_over_time.panel_recalls import Recalls, name_of, recall_for
from benchmarks.recall_over_time.picture import Point, draw
from benchmarks.speed_report import TITLES
from ghost_vpr_ros.core.whole_file import write_whole

PICTURE_LINK = '../images/recall_over_time.png'

_HEAD = (
    '# Recall over time',
    '',
    'Written by `make bench`; no number on this page is typed by hand.',
    '',
)


def write(report: Mapping[str, Any], recalls: Recalls, page: Path, picture: Path) -> None:
    """Write the Markdown file and the PNG file.

    Args:
        report: times, written by `benchmarks.recall_over_time`.
        recalls: key of a method -> its recall by descriptor size.
        page: Markdown file.
        picture: PNG file.
    """
    draw(points(report, recalls), picture)
    text = '\n'.join(lines(report, recalls)) + '\n'
    write_whole(page, text.encode(), durable=False)


def write_recalls(recalls: Recalls, page: Path) -> None:
    """Write the Markdown file with recalls only, before times are measured."""
    parts = _parts(recalls)
    rows = [
        [name_of(key), dim, *_score_cells(score, parts)]
        for key, scores in recalls.items()
        for dim, score in scores.items()
    ]
    rows.sort(key=lambda cells: -float(cells[2]))
    text = [
        *_HEAD,
        *paragraph(
            'Recall@1 on the panel (training/configs/panel.yaml). Times for these weights are not '
            'measured yet: `python -m benchmarks.recall_over_time --only times`, on an idle '
            'machine, measures them and draws the plot.'
        ),
        '',
        '    python -m benchmarks.recall_over_time --only recalls',
        '',
        *table(['method', 'numbers', 'r@1', '+-', *parts], rows),
        '',
        *_meaning(),
    ]
    write_whole(page, ('\n'.join(text) + '\n').encode(), durable=False)


def points(report: Mapping[str, Any], recalls: Recalls) -> list[Point]:
    """A point for each method with time and recall, and for each shorter descriptor of ours."""
    found = []
    for row in report['rows']:
        scores = recall_for(row['recall_key'], recalls) or {}
        for dim, score in scores.items():
            short = int(dim) < max(map(int, scores))
            if short and not row['is_default']:
                continue
            found.append(
                Point(
                    row['group'],
                    row['engine'],
                    row['precision'],
                    row['size_px'],
                    int(dim) if short else None,
                    (row['p25_ms'], row['p50_ms'], row['p75_ms']),
                    score['panel'],
                    score['standard_error'],
                    row['is_default'] and not short,
                )
            )
    return found


def lines(report: Mapping[str, Any], recalls: Recalls) -> list[str]:
    """The Markdown of the page."""
    known = {row['name']: recall_for(row['recall_key'], recalls) for row in report['rows']}
    scored = [row for row in report['rows'] if known[row['name']]]
    others = [row for row in report['rows'] if not known[row['name']]]
    scored.sort(key=lambda row: row['p50_ms'])
    others.sort(key=lambda row: row['p50_ms'])
    return [
        *_HEAD,
        f'![Recall@1 of the panel versus milliseconds per image]({PICTURE_LINK})',
        '',
        *machine_lines(dict(report)),
        *_load(report),
        '',
        *_how(report),
        '',
        '## Methods with weights',
        '',
        *_scored_table(scored, recalls),
        '',
        *_meaning(),
        *(['', '## Time alone', '', *_time_alone(others)] if others else []),
        *_skipped(report),
    ]


def _load(report: Mapping[str, Any]) -> list[str]:
    before, after = report['load_average']
    share_before, share = report['share_of_others']
    busy = ' **The machine was busy: use ratios, not times.**' if share > BUSY_SHARE else ''
    return paragraph(
        f'Load average {before:.1f} before and {after:.1f} after. Other processes took '
        f'{share_before:.0%} of the machine before and {share:.0%} during the measurement.{busy}'
    )


def _how(report: Mapping[str, Any]) -> list[str]:
    return paragraph(
        'Recall@1 is the mean over the five parts of the panel (`python -m training.evaluate '
        '--panel`, training/configs/panel.yaml). The time per image is from the decoded image to '
        f'the most similar of {report["map_images"]} map images, on one core: resizing, '
        'description, search. All methods run in one process and take turns, image by image, '
        f'{report["rounds"]} rounds with {report["images"]} images of the panel, every second '
        'round in reverse order; median and quartiles over the rounds. Recall depends on size and '
        'precision, not on the engine, and is measured with one engine.'
    )


def _scored_table(rows: Sequence[Mapping[str, Any]], recalls: Recalls) -> list[str]:
    parts = _parts(recalls)
    columns = ['method', 'engine', 'precision', 'input px', 'ms', 'quartiles', 'search ms']
    columns += ['numbers', 'r@1', '+-', *parts]
    found = []
    for row in rows:
        for dim, score in (recall_for(row['recall_key'], recalls) or {}).items():
            found.append(
                [
                    *_method_cells(row),
                    significant(row['p50_ms']),
                    f'{significant(row["p25_ms"])} - {significant(row["p75_ms"])}',
                    significant(row['search_p50_ms'], 2),
                    _numbers(row, dim),
                    *_score_cells(score, parts),
                ]
            )
    return table(columns, found)


def _score_cells(score: Mapping[str, Any], parts: Sequence[str]) -> list[str]:
    """Recall of the panel, its standard error, and the recall of its parts."""
    figures = [score['panel'], score['standard_error'], *(score['parts'][part] for part in parts)]
    return [f'{each:.1f}' for each in figures]


def _numbers(row: Mapping[str, Any], dim: str) -> str:
    """Numbers stored per image: of its descriptor, or of all its local features."""
    return str(row['numbers']) if row['group'].startswith('XFeat') else dim


def _method_cells(row: Mapping[str, Any]) -> list[str]:
    engine = TITLES.get(row['engine'], row['engine'])
    return [row['group'], engine, row['precision'], str(row['size_px'])]


def _parts(recalls: Recalls) -> list[str]:
    known = [list(score['parts']) for each in recalls.values() for score in each.values()]
    return known[0] if known else []


def _meaning() -> list[str]:
    return paragraph(
        '"+-" is the binomial standard error of the panel; methods are measured on the same '
        'queries, so the error of a difference is smaller. Shorter descriptors of ours are '
        'prefixes of the longer one and take the same time. Vocabularies, components, clusters '
        'and whitening of the others are learned on training images '
        '(benchmarks/recall_over_time/learning_images.py), fewer than those of our whitening. '
        'The frozen network has ImageNet weights and was not trained on places. ORB has OpenCV '
        'features, words by k-means of bits, and weights by rarity. Each of the 256 strongest '
        'local features of XFeat votes for every image with a feature of cosine 0.82 or more; '
        'they are compared with all features of the map.'
    )


def _time_alone(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    found = [
        [
            row['name'],
            *_method_cells(row)[1:],
            significant(row['p50_ms']),
            f'{significant(row["p25_ms"])} - {significant(row["p75_ms"])}',
        ]
        for row in rows
    ]
    return [
        *paragraph(
            'Methods without available weights, or without a recall for these weights yet, timed '
            "in the same rounds. The papers' networks have random weights, which do not affect "
            'the time, and inputs of 640x480 px.'
        ),
        '',
        *table(['method', 'engine', 'precision', 'width px', 'ms', 'quartiles'], found),
    ]


def _skipped(report: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for name, reason in report['skipped'].items():
        found += ['', *paragraph(f'Not measured: {name} ({reason}).')]
    return found
