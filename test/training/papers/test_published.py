"""The published figures against themselves: granularity, order of ranks, and known misprints."""

import math
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

import pytest

from ghost_vpr_ros.core.errors import ConfigError
from training.papers.published import (
    PAPERS,
    published_table,
    published_tables,
    read_paper,
)

G, N, S = 'ghost_dil_netvlad', 'netvlad', 'sralnet'

TESTED_MISPRINTS = {
    G: {
        'table5-rate2-r10',
        'table5-tokyo-grid',
        'table2-mixed-rates',
        'table2-tju-ghost',
        'table4-top1',
        'table4-r5-r10-mobilenet',
        'table4-gain',
        'fig5-units',
        'fig5-share',
        'fig5-mobilenet',
        'fig3-receptive-field',
    },
    N: {'off-the-shelf-r10', 'supplement-16-lost'},
    S: {'table4-tokyo-rounding', 'tokyo-gain', 'sral-above-crn'},
}
"""Each has a test below."""

ONLY_IN_WORDS = {G: {'eq5-sign', 'eq7-index', 'table1-channels'}, N: set(), S: {'table2-sc-tick'}}
"""Misprints of equations and ticks: no published figure shows them."""


def is_count_of(percent: float, queries: int, decimals: int) -> bool:
    """Whether some whole number of queries, as a rounded percentage, gives this figure."""
    step = Decimal(1).scaleb(-decimals)
    wanted = Decimal(str(percent)).quantize(step)
    near = int(Decimal(str(percent)) * queries / 100)
    return any(
        (Decimal(100 * count) / queries).quantize(step, ROUND_HALF_UP) == wanted
        for count in range(max(0, near - 1), min(queries, near + 1) + 1)
    )


def recalls(paper: str) -> Iterator[tuple[dict[str, str], float, int, int]]:
    """Where a recall stands, the recall, its queries, and its decimals."""
    queries = read_paper(paper)['queries']
    for table in published_tables(paper).values():
        if not table.decimals:
            continue
        for name, rows in table.sets.items():
            for row, values in rows.items():
                for column, value in zip(table.columns, values, strict=True):
                    where = {'table': table.name, 'set': name, 'row': row, 'column': column}
                    yield where, value, queries[name], table.decimals


def figures(reference: str, data_set: str, row: str) -> list[float]:
    return list(published_table(reference).row(data_set, row))


def test_percentages_are_counted_by_hand() -> None:
    assert is_count_of(79.45, 6816, 2)  # 5415 of 6816 are 79.445...
    assert is_count_of(70.83, 768, 2)  # 544 of 768
    assert is_count_of(41.90, 315, 2)  # 132 of 315
    assert is_count_of(100.0, 315, 2) and is_count_of(0.0, 315, 2)
    assert not is_count_of(35.78, 315, 2)  # 112 and 113 of 315 are 35.56 and 35.87
    assert not is_count_of(11.8, 315, 1)  # 37 are 11.746


@pytest.mark.parametrize('paper', PAPERS)
def test_recalls_are_whole_numbers_of_queries(paper: str) -> None:
    found = [w for w, value, n, decimals in recalls(paper) if not is_count_of(value, n, decimals)]
    assert found == read_paper(paper)['off_grid']


@pytest.mark.parametrize('paper', PAPERS)
def test_more_candidates_never_find_less(paper: str) -> None:
    for table in published_tables(paper).values():
        if table.decimals:
            for rows in table.sets.values():
                assert all(list(values) == sorted(values) for values in rows.values())


@pytest.mark.parametrize('paper', PAPERS)
def test_tables_are_whole(paper: str) -> None:
    for table in published_tables(paper).values():
        rows = list(table.sets.values())
        assert all(list(each) == list(rows[0]) for each in rows)
        assert all(len(v) == len(table.columns) for each in rows for v in each.values())


@pytest.mark.parametrize('paper', PAPERS)
def test_every_listed_misprint_is_known_here(paper: str) -> None:
    listed = [each['id'] for each in read_paper(paper)['misprints']]
    assert len(listed) == len(set(listed))
    assert set(listed) == TESTED_MISPRINTS[paper] | ONLY_IN_WORDS[paper]


def test_misprints_of_dilation_rates() -> None:
    _, five, ten = figures(f'{G}/table5', 'pitts30k_test', '2')
    assert five == ten
    dilated = {name: figures(f'{G}/table2', name, 'Ghost-dil-NetVLAD')[:3] for name in
               ('pitts30k_test', 'tju_test', 'tokyo247')}  # fmt: skip
    assert dilated['pitts30k_test'] == figures(f'{G}/table5', 'pitts30k_test', '5-2')
    assert dilated['tju_test'] == figures(f'{G}/table5', 'tju_test', '5-2')
    assert dilated['tokyo247'] == figures(f'{G}/table5', 'tokyo247', '3')
    assert dilated['tokyo247'] != figures(f'{G}/table5', 'tokyo247', '5-2')


def test_the_network_without_dilation_differs_between_tables_on_tju_alone() -> None:
    for name, same in (('pitts30k_test', True), ('tokyo247', True), ('tju_test', False)):
        plain = figures(f'{G}/table2', name, 'Ghost-NetVLAD')[:3]
        assert (plain == figures(f'{G}/table5', name, '1')) is same


def test_misprints_of_pretraining() -> None:
    top1 = published_table(f'{G}/table4_top1').sets['pretraining']
    assert top1['Places-365, 40 epochs'] == top1['Places-365, 60 epochs']
    forty = figures(f'{G}/table4', 'pitts30k_test', 'Places-365, 40 epochs')
    assert forty[1:] == figures(f'{G}/table2', 'pitts30k_test', 'MobileNetV3-NetVLAD')[1:3]
    places = figures(f'{G}/table4', 'pitts30k_test', 'Places-365, 20 epochs')
    imagenet = figures(f'{G}/table4', 'pitts30k_test', 'ImageNet')
    gains = [round(a - b, 2) for a, b in zip(places, imagenet, strict=True)]
    assert gains == [7.84, 5.05, 3.84]
    least = read_paper(G)['statements']['pretraining_gain_at_least_points']
    assert [gain >= least for gain in gains] == [True, True, False]


def test_misprints_of_sizes() -> None:
    """2.794 M and 14.78 M parameters with centres; Fig. 5 counts in 2^20 without them."""
    said = read_paper(G)['statements']
    fig5 = published_table(f'{G}/fig5')
    ghost, vgg = (fig5.row('network', f'{name}-NetVLAD') for name in ('Ghost-dil', 'VGG16'))
    ghost_m, vgg_m = 2_671_428 + 64 * (960 + 1), 14_714_688 + 64 * (512 + 1)
    assert [round(count / 2**20, 2) for count in (ghost_m, vgg_m)] == [ghost[1], 14.06]
    assert vgg[1] == 14.06
    with_centres = ghost_m + 64 * 960
    assert round(with_centres / 1e6, 2) == 2.79
    assert round(100 * (1 - 2.79 / 14.06), 2) == said['parameter_reduction_percent']
    assert round(100 * (1 - with_centres / (vgg_m + 64 * 512)), 1) == 81.1
    assert round(100 * (1 - ghost[0] / vgg[0]), 2) == said['macs_reduction_percent']
    share = 100 * ghost[1] / vgg[1]
    assert round(share, 1) == 18.6 and round(share) != said['parameter_share_percent']


def test_misprint_of_mobilenet() -> None:
    """Torchvision's MobileNetV3-Large: 5,483,032 parameters, 2,971,952 before its pooling."""
    table = published_table(f'{G}/fig5')
    figures = table.row('network', 'MobileNetV3-NetVLAD')
    printed = dict(zip(table.columns, figures, strict=True))['parameters_m']
    assignment = 64 * (960 + 1)
    assert round((5_483_032 + assignment) / 2**20, 2) == printed
    assert round((2_971_952 + assignment) / 2**20, 2) == 2.89


def test_misprint_of_receptive_fields() -> None:
    printed = read_paper(G)['statements']['receptive_fields']
    assert [rate for rate, size in printed.items() if size != 2 * rate + 1] == [2, 3]


def test_figures_of_netvlad_agree_with_each_other() -> None:
    _, _, ten = figures(f'{N}/table2_max', 'pitts30k_val', 'none')
    assert (ten, figures(f'{N}/table3', 'pitts30k_val', 'pretrained on ImageNet')[1]) == (
        68.4,
        68.5,
    )
    full = figures(f'{N}/table2_max', 'pitts30k_val', 'conv1')
    assert [full[0], full[2]] == figures(
        f'{N}/table3', 'pitts30k_val', 'trained with Time Machine'
    )
    for state in ('off-the-shelf', 'trained'):
        compact = figures(f'{N}/table4', 'map', f'NetVLAD {state}')
        longer = figures(f'{N}/supplement_{state.replace("-", "_")}', 'map', '256')
        assert compact[:2] + compact[3:] == longer
    lost = figures(f'{N}/supplement_trained', 'map', '16')
    assert lost[-1] is None and None not in lost[:-1]


def test_statements_of_netvlad_follow_from_sizes() -> None:
    said = read_paper(N)['statements']
    assert math.isclose(8 * 6 * 512, said['no_pool_dim'], rel_tol=0.02)
    assert math.isclose(8 * 6 * 512 * 4096, said['no_pool_fc_parameters_m'] * 1e6, rel_tol=0.01)
    assert round(40 * 30 * 512 * 512 / 1e6) == said['whitening_512_parameters_m']
    trained, plain = (
        figures(f'{N}/end_to_end', 'pitts250k_test', row)[0]
        for row in ('AlexNet, NetVLAD trained', 'AlexNet, VLAD off-the-shelf')
    )
    assert round(100 * (trained / plain - 1)) == said['relative_gain_percent']


def test_misprints_of_sralnet() -> None:
    tokyo = published_table(f'{S}/table1').sets['tokyo247']
    gain = round(tokyo['SRALNet-SC'][0] - tokyo['NetVLAD'][0], 1)
    assert gain == 8.6 and round(gain) == read_paper(S)['statements']['tokyo_gain_points']
    pitts = published_table(f'{S}/table1').sets['pitts30k_test']
    behind = [a < b for a, b in zip(pitts['SRALNet'], pitts['CRN'], strict=True)]
    assert behind == [False, True, True]
    for printed, count in ((11.8, 37), (71.8, 226), (59.1, 186)):
        exact = 100 * count / 315
        assert math.ceil(10 * exact) / 10 == printed and round(exact, 1) != printed


def test_sralnet_has_one_figure_for_one_system() -> None:
    tables = {name: published_table(f'{S}/{name}').sets for name in ('table1', 'table2')}
    pairs = {'NetVLAD': 'NetVLAD, FT', 'SRALNet-SC': 'SRALNet, SC, FT'}
    pairs |= {name: f'{name}, FT' for name in ('GhostVLAD', 'SRALNet')}
    for name in ('pitts250k_test', 'tokyo247'):
        for row, tuned in pairs.items():
            assert tables['table1'][name][row] == tables['table2'][name][tuned]


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown 'sralnett'; did you mean 'sralnet'"):
        published_table('sralnett/table1')
    with pytest.raises(ConfigError, match=r"unknown 'tabel1'; did you mean 'table1'"):
        published_table('sralnet/tabel1')
    with pytest.raises(ConfigError, match=r"sralnet/table1: unknown 'Tokyo247'.*'tokyo247'"):
        published_table('sralnet/table1').row('Tokyo247', 'NetVLAD')
