"""Write the files of `benchmarks/closures.py`: figures, tables and pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks import closure_variants as table
from benchmarks import markdown
from benchmarks.closure_answers import WrongAnswer
from benchmarks.closure_figures import Outcome, joined, reliability_examples
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.replay.evaluation.calibration_fit import ReliabilityBins, reliability_bins
from ghost_vpr_ros.replay.evaluation.match_sheet import draw_sheet
from ghost_vpr_ros.replay.evaluation.plots import png_of, reliability_plot
from ghost_vpr_ros.replay.output_files import write_file, write_json

SHEET_ROWS = 8
Key = tuple[str, str]

COLUMNS = {
    'accepted': ('accepted', '{:d}'),
    'wrong': ('wrong', '{:d}'),
    'precision': ('precision', '{:.1%}'),
    'precision_lower_bound': ('at least (95 %)', '{:.1%}'),
    'recall': ('recall', '{:.1%}'),
    'elsewhere_share': ('accepted elsewhere', '{:.2%}'),
    'ece': ('ECE', '{:.3f}'),
    'ece_with_unknown': ('ECE, 20 % unknown', '{:.3f}'),
    'nees_mean': ('NEES mean', '{:.2f}'),
    'nees_median': ('NEES median', '{:.2f}'),
    'chain_ms': ('chain, ms', '{:.2f}'),
    'verified': ('verified', '{:d}'),
}
UNKNOWN_COLUMNS = {
    'frames': ('frames', '{:d}'),
    'accepted': ('accepted', '{:d}'),
    'accepted_share': ('share', '{:.2%}'),
}


@dataclass
class Results:
    """The data of the report.

    Attributes:
        described: settings, calibrations and costs.
        outcomes: by part, then by calibration and variant, then by drive.
        wrong: accepted answers that are wrong, by part, calibration and variant.
        figures: for `closures.json`.
    """

    described: dict[str, Any]
    outcomes: dict[str, dict[Key, dict[str, Outcome]]] = field(default_factory=dict)
    wrong: dict[str, dict[Key, list[WrongAnswer]]] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    def add(
        self,
        part: str,
        outcomes: dict[Key, dict[str, Outcome]],
        wrong: dict[Key, list[WrongAnswer]],
        figures: dict[str, Any],
    ) -> None:
        """Add the results of one part."""
        self.outcomes[part], self.wrong[part], self.figures[part] = outcomes, wrong, figures

    def judged(self, part: str) -> dict[str, Any] | None:
        """Figures of the variant and calibration that are checked against the targets."""
        rows = self.figures.get(part, {}).get(table.CALIBRATIONS[part][-1], {})
        return rows.get(table.HEADLINE)


@dataclass(frozen=True)
class Target:
    """One line of the table of targets."""

    name: str
    wanted: str
    found: str
    is_met: bool


def write_report(results: Results, unknown_share: float, folder: Path) -> str:
    """Write all files; returns the table of targets as text."""
    targets = targets_of(results)
    wrong = [
        {'part': part, 'calibration': key[0], 'variant': key[1], **_plain(each)}
        for part, by_key in results.wrong.items()
        for key, found in by_key.items()
        for each in found
    ]
    content = {
        **results.described,
        'targets': [vars(target) for target in targets],
        'figures': results.figures,
        'wrong': wrong,
    }
    write_json(folder / 'closures.json', content)
    text = targets_table(targets)
    write_file(folder / 'closures.md', '\n\n'.join([text, *tables(results)]) + '\n')
    _write_pictures(results, unknown_share, folder)
    return text


def targets_of(results: Results) -> list[Target]:
    """All targets of the finished parts."""
    found: list[Target] = []
    for part in ('town', 'gardens'):
        rows = results.judged(part)
        if rows is not None:
            every = rows['all']
            for name, least in (('precision', table.PRECISION), ('recall', table.RECALL)):
                found.append(_at_least(f'{part}: {name}', least[part], every[name]))
    unknown = results.judged('unknown')
    if unknown is not None:
        share = unknown['all']['accepted_share']
        limit = table.MOST_UNKNOWN_ACCEPTED
        found.append(_at_most('unknown places: accepted', limit, share, '{:.2%}'))
    town = results.judged('town')
    if town is not None:
        found += _town_targets(town['all'])
    return found + _cost_targets(results)


def _town_targets(every: dict[str, Any]) -> list[Target]:
    low, high = table.NEES_RANGE
    nees = every['nees_mean']
    return [
        _at_most('town: ECE', table.MOST_ECE, every['ece'], '{:.3f}'),
        _at_most('town: ECE, 20 % unknown', table.MOST_ECE, every['ece_with_unknown'], '{:.3f}'),
        Target('town: NEES', f'{low:g} .. {high:g}', f'{nees:.2f}', low <= nees <= high),
    ]


def _cost_targets(results: Results) -> list[Target]:
    """Targets of the cost: on an idle machine at most the smaller of wall-clock and CPU time."""
    cost, town = results.described['costs'], results.judged('town')
    verify_ms = min(cost['verify_ms'], cost['verify_cpu_ms'])
    describe_ms = min(cost['describe_ms'], cost['describe_cpu_ms'])
    found = [_at_most('verification, ms', table.MOST_VERIFY_MS, verify_ms, '{:.1f}')]
    if town is not None:
        share = town['all']['chain_ms'] / describe_ms
        found.append(_at_most('chain by network', table.MOST_CHAIN_SHARE, share, '{:.1%}'))
    return found


def _at_least(name: str, least: float, found: float) -> Target:
    return Target(name, f'>= {least:.1%}', _text('{:.2%}', found), found >= least)


def _at_most(name: str, most: float, found: float, form: str) -> Target:
    return Target(name, f'<= {form.format(most)}', _text(form, found), found <= most)


def _text(form: str, value: float) -> str:
    return '' if isinstance(value, float) and math.isnan(value) else form.format(value)


def targets_table(targets: Sequence[Target]) -> str:
    """The targets as a table in Markdown."""
    rows = [[t.name, t.wanted, t.found, 'yes' if t.is_met else 'NO'] for t in targets]
    return '\n'.join(markdown.table(['target', 'required', 'found', 'met'], rows))


def tables(results: Results) -> list[str]:
    """One table for each part and calibration, then the drives of the headline, then the costs."""
    found = []
    for part, by_calibration in results.figures.items():
        columns = UNKNOWN_COLUMNS if part == 'unknown' else COLUMNS
        for calibration, by_variant in by_calibration.items():
            rows = {variant: each['all'] for variant, each in by_variant.items()}
            found.append(f'{part}, probabilities: {calibration}\n\n{_table(rows, columns)}')
        headline = results.judged(part)
        if headline is not None and len(headline['by_drive']) > 1:
            name = f'{part}, {table.HEADLINE}, probabilities: {table.CALIBRATIONS[part][-1]}'
            found.append(f'{name}\n\n{_table(headline["by_drive"], columns)}')
    costs = ', '.join(f'{name} {value:.1f}' for name, value in results.described['costs'].items())
    return [*found, f'Costs: {costs}']


def _table(rows: dict[str, dict[str, Any]], columns: dict[str, tuple[str, str]]) -> str:
    lines = [
        [name, *(_text(form, row.get(key, math.nan)) for key, (_, form) in columns.items())]
        for name, row in rows.items()
    ]
    return '\n'.join(markdown.table(['', *(title for title, _ in columns.values())], lines))


def _plain(wrong: WrongAnswer) -> dict[str, Any]:
    return {f.name: getattr(wrong, f.name) for f in fields(wrong) if f.name != 'tiles'}


def _write_pictures(results: Results, unknown_share: float, folder: Path) -> None:
    for part, by_key in results.wrong.items():
        judged = by_key.get((table.CALIBRATIONS[part][-1], table.HEADLINE), [])
        worst = worst_of(judged or [each for found in by_key.values() for each in found])
        if worst:
            title = f'{part}: {len(judged)} false answers of {table.HEADLINE}'
            note = '' if judged else 'none; shown are false answers of other variants'
            sheet = draw_sheet(title, note, [each.tiles for each in worst])
            write_file(folder / f'false_{part}.jpg', encode_jpeg(sheet))
    _write_reliability(results, unknown_share, folder)


def worst_of(wrong: Sequence[WrongAnswer]) -> list[WrongAnswer]:
    """The most probable wrong answers, each query once, at most `SHEET_ROWS`."""
    rising = sorted(wrong, key=lambda each: each.probability)
    once = {(each.drive, each.query): each for each in rising}
    return sorted(once.values(), key=lambda each: -each.probability)[:SHEET_ROWS]


def _write_reliability(results: Results, unknown_share: float, folder: Path) -> None:
    outcomes = results.outcomes.get('town', {})
    before = outcomes.get((table.MAP_ALONE, table.HEADLINE))
    after = outcomes.get((table.TOWNS, table.HEADLINE))
    if before is None or after is None:
        return
    learned = results.described['calibrations'][f'{table.TOWNS}, {table.HEADLINE}']
    title = f'{len(after)} towns, {table.HEADLINE}, {100 * unknown_share:.0f} % unknown places'
    names = ('map alone', 'calibrated')
    bins = {n: _bins(d, unknown_share) for n, d in zip(names, (before, after), strict=True)}
    picture = png_of(reliability_plot(bins, learned['min_probability'], title))
    write_file(folder / 'reliability.png', picture)


def _bins(by_drive: dict[str, Outcome], unknown_share: float) -> ReliabilityBins:
    return reliability_bins(*reliability_examples(joined(list(by_drive.values())), unknown_share))
