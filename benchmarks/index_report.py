"""Markdown tables of the figures of `index_scale`."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import table


def as_markdown(results: dict[str, Any]) -> str:
    """Three tables: kinds of index, whole maps, and the similarity of grown maps to real ones."""
    parts = [_kinds(results['kinds']), _maps(results['maps']), _likeness(results['likeness'])]
    loads = ', '.join(f'{size}: {load:.1f}' for size, load in results['load'].items())
    note = (
        f'faiss {results["faiss"]} ({results["simd"]}), {results["threads"]} thread(s) of '
        f'{results["cores"]} cores; load average by size: {loads}.'
    )
    return '\n\n'.join([*filter(None, parts), note]) + '\n'


def _table(header: list[str], rows: list[list[str]]) -> str:
    return '\n'.join(table(header, rows)) if rows else ''


def _kinds(found: list[dict[str, Any]]) -> str:
    header = ['index', 'places', 'recall@1, %', 'strong, %', 'p10, ms', 'p50, ms', 'p99, ms',
              'processor, ms', 'build, s', 'load, s', 'add one, ms', 'bytes',
              'bytes in RAM']  # fmt: skip
    rows = [
        [
            each['kind'], str(each['rows']), f'{100 * each["recall"]:.1f}',
            f'{100 * each["recall_strong"]:.1f}', *_times(each),
            f'{each["train_s"] + each["add_all_s"]:.1f}', f'{each["load_s"]:.2f}',
            f'{each["add_one_ms"]:.3f}', f'{each["bytes_written"]:.0f}',
            f'{each["bytes_resident"]:.0f}',
        ]
        for each in found
    ]  # fmt: skip
    return _table(header, rows)


def _maps(found: list[dict[str, Any]]) -> str:
    header = ['places', *(str(each['rows']) for each in found)]
    rows = [
        ['search', *('exact' if each['is_exact'] else 'approximate' for each in found)],
        ['recall@1 of the exact best, %', *(_percent(e['search']['recall']) for e in found)],
        ['the same, strong matches', *(_percent(e['search']['recall_strong']) for e in found)],
        ['open the file and check it, s', *(f'{e["check_s"]:.2f}' for e in found)],
        ['index and places, from the cache if there is one, s',
         *(f'{e["open_s"]:.2f}' for e in found)],
        ['first opening, without a cache, s', *(f'{e["first_open_s"]:.1f}' for e in found)],
        ['learn the margins, s', *(f'{e["learn_s"]:.2f}' for e in found)],
        ['bytes per place in RAM', *(f'{e["bytes_resident"]:.0f}' for e in found)],
        ['bytes per place in cache files', *(f'{e["bytes_beside"]:.0f}' for e in found)],
    ]  # fmt: skip
    stages = {
        'search': 'search, top 10', 'retrieve': 'search until one is elsewhere',
        'prior': 'search within 50 m', 'filter': 'Bayes filter, a frame',
        'add': 'add a keyframe',
    }  # fmt: skip
    for stage, words in stages.items():
        times = [' / '.join(_times(each[stage])) for each in found]
        rows.append([f'{words}: p10 / p50 / p99 / processor, ms', *times])
    return _table(header, rows) if found else ''


def _likeness(found: dict[int, dict[str, list[float]]]) -> str:
    rows = [
        [words, str(size), *(f'{value:.3f}' for value in values)]
        for size, each in found.items()
        for words, values in each.items()
    ]
    return _table(['similarity', 'places', '5 %', '25 %', '50 %', '75 %', '95 %'], rows)


def _times(found: dict[str, float]) -> list[str]:
    return [f'{found[name]:.3f}' for name in ('p10_ms', 'p50_ms', 'p99_ms', 'cpu_ms')]


def _percent(share: float) -> str:
    return f'{100 * share:.1f}'
