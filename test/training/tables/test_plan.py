"""Files of tables: what is read, what is refused, and that those of the project are right."""

from pathlib import Path

import pytest
import torch

from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.default_weights import load_default_model
from ghost_vpr_ros.core.model.shipped import shipped_path
from ghost_vpr_ros.core.model.vpr_model import VprModel
from training.experiment import read_experiment
from training.measure.protocols import read_protocols
from training.papers.published import published_tables
from training.tables.plan import PlanRow, find_table, full_size, read_table, table_names

TABLE = """
name: small
question: Which?
published: sralnet/table1
base: base.yaml
seeds: [3, 4]
protocols: [one, two]
claims:
  - [all of it, no training]
rows:
  no training: {stages: [initialise], published: NetVLAD}
  all of it: {stages: [distill, initialise, train, whiten], set: [model.clusters=8]}
  elsewhere: {bring: weights of others}
  again: {stages: [initialise], evaluate: [--rerank, patch-netvlad]}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / 'table.yaml'
    path.write_text(TABLE)
    return path


def test_a_table_is_read(plan: Path) -> None:
    table = read_table(plan)
    assert (table.name, table.seeds, table.protocols) == ('small', (3, 4), ('one', 'two'))
    assert table.base == plan.parent / 'base.yaml'
    assert table.claims == (('all of it', 'no training'),)
    assert table.rows == (
        PlanRow('no training', ('initialise',), (), 'NetVLAD'),
        PlanRow('all of it', ('distill', 'initialise', 'train', 'whiten'), ('model.clusters=8',)),
        PlanRow('elsewhere', (), (), '', 'weights of others'),
        PlanRow('again', ('initialise',), evaluate=('--rerank', 'patch-netvlad')),
    )
    assert table.reference is not None and table.reference.name == 'table1'


def test_a_table_may_have_protocols_of_its_own(plan: Path) -> None:
    plan.write_text(TABLE + 'protocols_file: ../mine.yaml\n')
    assert read_table(plan).protocols_file == plan.parent / '../mine.yaml'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (('seeds', 'sedes'), "unknown key 'sedes'; did you mean 'seeds'"),
        (('base: base.yaml', ''), "expected the key 'base', found none"),
        (
            ('no training: {stages: [initialise]', 'no training: {stages: [train, distill]'),
            r"found \['train', 'distill'\]",
        ),
        (('[initialise]', '[teach]'), r"row 'no training'.*found \['teach'\]"),
        (
            ('[initialise]', '[rootsift, whiten]'),
            r"row 'no training'.*rootsift alone.*found \['rootsift', 'whiten'\]",
        ),
        (('{bring: weights of others}', '{}'), r"row 'elsewhere': expected stages.*found \[\]"),
        (('stages: [initialise]', 'stage: [initialise]'), "unknown key 'stage'"),
        (('all of it, no', 'all of it, some'), "claims: unknown row 'some training'"),
        (('again: {', 'again: {start: nobody, '), "start: unknown row 'nobody'"),
        (('again: {', 'again: {system: ghost_netvlat, '), "did you mean 'ghost_netvlad'"),
        (('claims:', 'full: {stages: [train]}\nclaims:'), "full: expected the key 'protocols'"),
        (('published: NetVLAD', 'published: NetVLADD'), "unknown 'NetVLADD'; did you mean"),
        (('sralnet/table1', 'sralnet/tabel1'), "unknown 'tabel1'; did you mean 'table1'"),
        (('published: sralnet/table1', ''), "row 'NetVLAD' is published, but"),
    ],
)
def test_a_wrong_table_is_refused(plan: Path, change: tuple[str, str], message: str) -> None:
    plan.write_text(TABLE.replace(*change))
    with pytest.raises(ConfigError, match=message):
        read_table(plan)


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown table 's-tabel1'; did you mean 's-table1'"):
        find_table('s-tabel1')


@pytest.mark.parametrize('name', table_names())
def test_the_tables_of_the_project_can_be_run(name: str) -> None:
    table = read_table(find_table(name))
    assert table.name == name
    for row in table.rows:
        experiment = read_experiment(table.base, row.changes)
        assert not experiment.model.descriptor_dim
    assert set(table.protocols) <= set(read_protocols(table.protocols_file))


def test_tables_that_start_from_the_shipped_weights_fit_them() -> None:
    """New weights of the package may have another trunk, and the tables then need another base."""
    given = load_default_model().backbone.state_dict()
    for base in {read_table(find_table(name)).base for name in table_names()}:
        experiment = read_experiment(base)
        if not experiment.init.endswith(shipped_path().name):
            continue
        with torch.device('meta'):
            own = VprModel(experiment.model, experiment.preprocessing).backbone.state_dict()
        missing = {key for key in own if not key.startswith('joint.')} - set(given)
        assert not missing, base
        assert experiment.model.dilation == (1, 1)


@pytest.mark.parametrize('name', ['g-table2', 's-table1', 'n-fig5'])
def test_tables_of_the_papers_have_their_published_size(name: str) -> None:
    table = full_size(read_table(find_table(name)))
    assert table.name == f'{name}-full'
    assert set(table.protocols) <= set(read_protocols(table.protocols_file))
    for row in table.rows:
        assert row.base is not None
        experiment = read_experiment(row.base, row.changes)
        size = experiment.preprocessing
        assert (size.width_px, size.height_px) == (640, 480)
    assert all(set(pair) <= {row.name for row in table.rows} for pair in table.claims)


def test_systems_of_ghost_dil_netvlad_learn_scenes_and_then_places() -> None:
    table = full_size(read_table(find_table('g-table2')))
    stages = {row.name: row.stages for row in table.rows}
    assert stages == {
        **dict.fromkeys(
            ('Alex-NetVLAD', 'VGG16-NetVLAD', 'MobileNetV3-NetVLAD', 'Ghost-NetVLAD'),
            ('pretrain', 'train'),
        ),
        'Ghost-dil-NetVLAD': ('pretrain', 'train'),
        'Patch-NetVLAD': ('pretrain', 'train', 'whiten'),
    }


def test_a_table_without_a_published_size_is_refused(plan: Path) -> None:
    with pytest.raises(ConfigError, match='expected the key `full` for --full-size'):
        full_size(read_table(plan))


def test_a_table_may_be_judged_by_a_panel(plan: Path) -> None:
    (plan.parent / 'panel.yaml').write_text(
        'a: {x: {path: [p]}}\nb: {y: {path: [p]}, z: {path: [q]}}\n'
    )
    plan.write_text(
        TABLE.replace('protocols: [one, two]', 'protocols_file: panel.yaml').replace(
            'again: {', 'again: {start: no training, dims: [8], '
        )
    )
    table = read_table(plan)
    assert table.parts == {'a': ['x'], 'b': ['y', 'z']}
    assert table.protocols == ('x', 'y', 'z')
    assert list(read_protocols(table.protocols_file, ['z'])) == ['z']
    assert (table.rows[-1].start, table.rows[-1].dims) == ('no training', (8,))


@pytest.mark.parametrize(
    ('name', 'paper', 'tables'),
    [
        ('g-', 'ghost_dil_netvlad', {'table2', 'table3', 'table4', 'table5', 'fig5'}),
        ('n-', 'netvlad', {'table2', 'table3'}),
        ('s-', 'sralnet', {'table1', 'table2', 'table3_4096', 'table4'}),
    ],
)
def test_every_table_that_was_asked_for_is_there(name: str, paper: str, tables: set[str]) -> None:
    found = {read_table(find_table(each)).published for each in table_names()}
    assert {f'{paper}/{table}' for table in tables} <= found
    assert tables <= set(published_tables(paper))


def test_no_table_learns_from_what_it_is_judged_by() -> None:
    """gsv_cambridge val and test, gardens_point and bgu_campus test are for judging."""
    for name in table_names():
        table = read_table(find_table(name))
        for row in table.rows:
            said = read_experiment(table.base, row.changes).to_dict()
            learnt = [e for e in said['data'].get('train', []) if 'webcams' not in e['path'][0]]
            assert all(each['split'] == 'train' for each in learnt)
            photos = said.get('distillation', {}).get('photos', [])
            semantics = said.get('semantics', {})
            named = [*photos, semantics.get('images', ''), *said.get('classification', {}).get(
                'folders', [])]  # fmt: skip
            assert not any('gardens_point' in text for text in named)
            for text in named:
                if 'gsv_cambridge' in text or 'bgu_campus' in text:
                    assert text.endswith(' split=train')
