"""Recall over time: similarities, recalls and front by hand, what is kept, and the page."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from benchmarks.recall_over_time import __main__ as command
from benchmarks.recall_over_time import frozen_network, learning_images, page, times
from benchmarks.recall_over_time.method import NOT_LEARNED, Files, Method, similarities
from benchmarks.recall_over_time.other_methods import (
    WORDS,
    OrbWords,
    learn_words,
    new_orb,
    orb_features,
    other_methods,
    set_randomly,
    thumbnail,
)
from benchmarks.recall_over_time.other_work import OtherWork
from benchmarks.recall_over_time.panel_recalls import (
    measure_recalls,
    read_recalls,
    recall_for,
    right_at_1,
    standard_error,
)
from benchmarks.recall_over_time.picture import Point, front
from ghost_vpr_ros.core.config.model import PreprocessingConfig
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError, WeightsError
from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftConfig, RootSiftVlad
from ghost_vpr_ros.replay.evaluation.ground_truth import GroundTruth
from ghost_vpr_ros.replay.evaluation.pairs import Pairs
from training.measure.panel import Panel
from training.measure.protocols import Protocol
from training.measure.retrieval import judge


def truth_of(positives, excluded, queries, database):
    points = np.zeros((queries, 2)), np.zeros((database, 2))
    pairs = [
        Pairs(np.array(sorted(q * database + row for q, row in each), np.int64), queries, database)
        for each in (positives, excluded)
    ]
    return GroundTruth(*pairs, *points, 'm', {'positive_distance_m': 25.0})


def frames(count, start=0):
    def image(number):
        return lambda: np.full((2, 2, 3), number, np.uint8)

    return [Frame(str(number), image(number)) for number in range(start, start + count)]


def panel_of(truth):
    protocol = Protocol('a', frames(3), frames(2, 1), truth, ('root', 'root'))
    return Panel({'part': [protocol]}, {})


class Levels:
    """Describes an image by an angle that grows with its grey level."""

    def __init__(self, version='1'):
        self.version = version
        self.calls = 0

    def describe(self, image):
        self.calls += 1
        angle = 0.1 * float(image[0, 0, 0])
        return np.array([np.cos(angle), np.sin(angle)], np.float32)


def method(describer, name='levels', **more):
    return Method(name, name, 'numpy', 'float32', 2, lambda _: describer, **more)


def unit_rows(rng, *shape):
    rows = rng.standard_normal(shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_each_local_feature_votes_for_the_images_that_have_one_like_it():
    query = np.eye(3, dtype=np.float32)[:2]
    same, half = np.eye(3, dtype=np.float32)[:2], np.zeros((2, 3), np.float32)
    half[0] = (0.0, 0.9, np.sqrt(1.0 - 0.81))
    unlike = np.eye(3, dtype=np.float32)[[2, 2]]
    found = similarities(query, np.stack([same, half, unlike] * 4))
    # 1 + 1; 0.9 of the second feature alone; nothing.
    assert found == pytest.approx([2.0, 0.9, 0.0] * 4)


def test_the_first_answers_are_those_of_the_evaluation():
    rng = np.random.default_rng(0)
    queries, database = unit_rows(rng, 20, 8), unit_rows(rng, 30, 8)
    nearest = (queries @ database.T).argsort(axis=1)[:, ::-1]
    # Of every second query the best row is excluded; right is what is then the first or second.
    excluded = [(q, nearest[q, 0]) for q in range(0, 20, 2)]
    positives = [(q, nearest[q, q % 3]) for q in range(19) if q % 3 or q % 2]
    truth = truth_of(positives, excluded, 20, 30)
    protocol = Protocol('p', frames(30), frames(20), truth, ('a', 'b'))
    expected = judge(queries, database, protocol).correct[:, 0]
    assert right_at_1(queries, database, truth) == expected.astype(int).tolist()
    assert 0 < expected.sum() < len(expected)


def test_the_error_of_the_panel_weighs_parts_alike():
    truth = truth_of([(0, 0)], [], 1, 1)
    a, b, c = (Protocol(name, [], [], truth, ('', '')) for name in 'abc')
    right = {'a': [1, 0, 1, 0], 'b': [1, 1], 'c': [1, 0]}
    # Variances 0.25 / 4, 0 and 0.25 / 2; weights 1/2, 1/4 and 1/4.
    expected = 100.0 * (0.25 * 0.0625 + 0.0625 * 0.125) ** 0.5
    assert standard_error({'first': [a], 'second': [b, c]}, right) == pytest.approx(expected)


def test_recalls_are_kept_until_numbers_or_panel_change(tmp_path: Path):
    path = tmp_path / 'recalls.json'
    # Queries show levels 1 and 2, as rows 1 and 2 do; the second expects row 0.
    panel = panel_of(truth_of([(0, 1), (1, 0)], [], 2, 3))
    first = Levels()
    found, skipped = measure_recalls([method(first)], panel, Files(tmp_path), path)
    (score,) = next(iter(found.values())).values()
    assert (score['panel'], score['right_at_1']) == (50.0, {'a': '10'})
    # Of five images three are different.
    assert (first.calls, skipped) == (3, {})
    again, changed, elsewhere = Levels(), Levels('2'), Levels('2')
    assert measure_recalls([method(again)], panel, Files(tmp_path), path)[0] == found
    measure_recalls([method(changed)], panel, Files(tmp_path), path)
    other = panel_of(truth_of([(0, 1), (1, 2)], [], 2, 3))
    measure_recalls([method(elsewhere)], other, Files(tmp_path), path)
    assert (again.calls, changed.calls, elsewhere.calls) == (0, 3, 3)
    assert len(read_recalls(path)) == 1


def test_a_method_that_cannot_run_is_left_out_and_named(tmp_path: Path):
    def refuse(files):
        raise WeightsError('not installed')

    panel = panel_of(truth_of([(0, 1), (1, 0)], [], 2, 3))
    path = tmp_path / 'r.json'
    path.write_text(json.dumps({'recalls': {'none, 1 px, float32 | 1 | panel': {}}}))
    methods = [Method('none', 'none', '', 'float32', 1, refuse), method(Levels())]
    found, skipped = measure_recalls(methods, panel, Files(tmp_path), path)
    assert (len(found), skipped) == (1, {'none': 'not installed'})
    # What was measured where it could run stays.
    assert set(read_recalls(path)) == {'none, 1 px, float32 | 1 | panel', *found}


def test_a_shorter_descriptor_is_scored_beside_the_whole(tmp_path: Path):
    panel = panel_of(truth_of([(0, 1), (1, 2)], [], 2, 3))
    methods = [method(Levels(), shorter=(1,))]
    found, _ = measure_recalls(methods, panel, Files(tmp_path), tmp_path / 'r.json')
    (scores,) = found.values()
    # One number of unit norm tells nothing: the first row wins.
    assert {dim: each['panel'] for dim, each in scores.items()} == {'2': 100.0, '1': 0.0}


def test_a_method_timed_with_the_numbers_of_a_seed_takes_the_recall_of_any_vocabulary():
    recalls = {'orb | 1234 | panel': {'2048': {}}, 'ours | 99 | panel': {'512': {}}}
    assert recall_for(f'orb | {NOT_LEARNED} | panel', recalls) == {'2048': {}}
    # Other weights are another network.
    assert recall_for('ours | 98 | panel', recalls) is None
    assert recall_for('ours | 99 | panel', recalls) == {'512': {}}


def test_methods_of_others_run_without_data_and_without_learning(tmp_path: Path):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    found = {each.name: each.make for each in other_methods()}
    orb = found['ORB, bag of words'](Files(tmp_path, learn=False))
    assert (orb.describe(image).shape, orb.version) == ((WORDS,), NOT_LEARNED)
    model = RootSiftVlad(RootSiftConfig(clusters=2, descriptor_dim=4), 32, 32)
    set_randomly(model)
    assert float(model(image[None]).detach().norm()) == pytest.approx(1.0, abs=1e-5)


def test_a_thumbnail_keeps_its_descriptor_under_other_light():
    image = np.random.default_rng(0).integers(0, 120, (96, 128, 3), np.uint8)
    dark, light = (thumbnail(each) for each in (image, 2 * image + 10))
    assert np.linalg.norm(dark) == pytest.approx(1.0, abs=1e-5)
    assert dark @ light > 0.99
    assert not thumbnail(np.zeros((8, 8, 3), np.uint8)).any()


def test_orb_features_count_for_the_nearest_word_and_rare_words_more():
    words = np.zeros((3, 32), np.uint8)
    words[1], words[2] = 255, 15
    bag = OrbWords(words, np.array([1.0, 4.0, 1.0], np.float32))
    features = np.zeros((3, 32), np.uint8)
    features[1], features[2] = 255, 254
    assert bag.counts(features).tolist() == [1.0, 2.0, 0.0]
    assert not bag.describe(np.zeros((64, 64, 3), np.uint8)).any()


def test_words_are_learned_from_images():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(3)]
    photos = [Frame(str(n), lambda each=each: each) for n, each in enumerate(images)]
    words, rarity = learn_words(photos, words=4)
    assert words.shape == (4, 32)
    assert rarity.shape == (4,)
    assert len(orb_features(new_orb(), images[0])) > 4
    bag = OrbWords(words, rarity + 1.0)
    assert np.linalg.norm(bag.describe(images[0])) == pytest.approx(1.0, abs=1e-5)


def test_the_head_of_a_frozen_network_is_learned_from_images(monkeypatch):
    for name, value in (('CHANNELS', 3), ('CLUSTERS', 2), ('DESCRIPTOR_DIM', 4)):
        monkeypatch.setattr(frozen_network, name, value)
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.ReLU(), nn.Conv2d(4, 5, 2, 2))
    head = frozen_network.VladHead(4 + 5)
    network = frozen_network.FrozenNetwork(trunk, (1, 2), head).eval().requires_grad_(False)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (32, 32, 3), np.uint8) for _ in range(12)]
    photos = [Frame(str(n), lambda each=each: each) for n, each in enumerate(images)]
    frozen_network.learn(network, head, photos, PreprocessingConfig(32, 32))
    found = network(torch.from_numpy(np.stack(images)))
    assert found.shape == (12, 4)
    assert found.norm(dim=1) == pytest.approx(torch.ones(12).numpy(), abs=1e-5)
    # Joined at the size of the finer map, 8 x 8.
    assert network.feature_map(torch.from_numpy(images[0][None])).shape == (1, 9, 8, 8)


def test_learning_uses_only_sources_of_the_shipped_recipe():
    """Those of its whitening, which leave the corners to the panel."""
    recipe = yaml.safe_load((command.ROOT / 'training/configs/ghost_vpr.yaml').read_text())
    allowed = {re.sub(r' views=\d+', '', each) for each in recipe['whitening']['images']}
    assert set(learning_images.SOURCES) <= allowed


def test_the_front_holds_what_nothing_beats_in_both():
    def point(ms, recall):
        return Point('g', 'torch', 'float32', 320, None, (ms, ms, ms), recall, 1.0, False)

    fast, good, slow, worse = point(1, 40), point(10, 75), point(20, 70), point(10, 60)
    assert front([slow, good, worse, fast]) == [fast, good]


def test_methods_take_turns_and_every_second_round_goes_backwards():
    seen = []

    class Named(Levels):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def describe(self, image):
            seen.append(self.name)
            return super().describe(image)

    images = [np.full((2, 2, 3), 1, np.uint8)]
    methods = [method(Named('a'), 'a'), method(Named('b'), 'b')]
    ready, _ = times.prepare(methods, images, Files(Path()))
    seen.clear()
    assert times.measure(ready, images, seconds=0.0) == times.LEAST_ROUNDS
    # Twice each: the first is not timed.
    assert ''.join(seen[:8]) == 'aabbbbaa'
    ready[0].describe_ms, ready[0].search_ms = [1.0, 2.0, 30.0], [1.0, 1.0, 1.0]
    found = times.figures(ready[0])
    assert (found['p25_ms'], found['p50_ms'], found['p75_ms']) == (2.5, 3.0, 17.0)


def test_a_busy_machine_is_refused_unless_allowed():
    with pytest.raises(SourceError, match='other processes on 50%'):
        command.check_quiet(0.5, busy=False)
    command.check_quiet(0.5, busy=True)
    command.check_quiet(0.05, busy=False)
    assert OtherWork().share() >= 0.0


def report_of(**more):
    default = {'engine': 'openvino', 'precision': 'float32', 'size_px': 320, 'numbers': 512}
    default['is_default'] = True
    milliseconds = {'p25_ms': 7.9, 'p50_ms': 8.0, 'p75_ms': 8.2, 'search_p50_ms': 0.1}
    ours = {'name': 'ours', 'group': 'ours', **default, **milliseconds, 'recall_key': 'k'}
    untrained = {**ours, 'name': 'VGG16-NetVLAD', 'group': 'untrained', 'recall_key': ''}
    machine = {'processor': 'p', 'cores': 2, 'memory_gib': 4.0, 'system': 's', 'python': '3'}
    return {
        'machine': {**machine, 'versions': {}, 'commit': 'c', 'day': 'd'},
        'command': 'python -m benchmarks.recall_over_time',
        'rounds': 9,
        'images': 24,
        'map_images': 500,
        'load_average': [0.1, 1.0],
        'share_of_others': [0.0, 0.01],
        'skipped': {'XFeat': 'not installed'},
        'rows': [ours, untrained],
        **more,
    }


def test_the_page_has_picture_table_machine_and_load(tmp_path: Path):
    score = {'panel': 75.6, 'standard_error': 1.2, 'parts': {'corridor': 73.0}}
    recalls = {'k': {'512': score, '256': {**score, 'panel': 74.0}}}
    page.write(report_of(), recalls, tmp_path / 'page.md', tmp_path / 'picture.png')
    text = (tmp_path / 'page.md').read_text()
    assert '| ours | OpenVINO | float32 | 320 | 8 | 7.9 - 8.2 | 0.1 | 512 | 75.6 |' in text
    assert '| 256 | 74.0 |' in text
    assert '| VGG16-NetVLAD |' in text.partition('## Time alone')[2]
    assert 'Load average 0.1 before and 1.0 after' in text
    assert 'Not measured: XFeat (not installed).' in text
    assert 'busy' not in text
    assert (tmp_path / 'picture.png').read_bytes().startswith(b'\x89PNG')
    busy = '\n'.join(page.lines(report_of(share_of_others=[0.5, 0.6]), recalls))
    assert 'The machine was busy' in busy


def test_before_times_are_measured_the_page_has_the_recalls(tmp_path: Path):
    score = {'panel': 75.5, 'standard_error': 1.2, 'parts': {'corridor': 73.0}}
    recalls = {
        'orb | 1 | panel': {'9': {**score, 'panel': 40.0}},
        'ours | 2 | panel': {'8': score},
    }
    page.write_recalls(recalls, tmp_path / 'page.md')
    text = (tmp_path / 'page.md').read_text()
    assert text.index('| ours | 8 | 75.5 | 1.2 | 73.0 |') < text.index('| orb | 9 | 40.0 |')


@pytest.mark.slow
def test_a_quick_run_needs_no_data(tmp_path: Path):
    options = ['--quick', '--page', tmp_path / 'page.md', '--out', tmp_path / 't.json']
    options += ['--picture', tmp_path / 'p.png', '--folder', tmp_path / 'folder']
    words = [sys.executable, '-m', command.MODULE, *map(str, options)]
    done = subprocess.run(words, cwd=command.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / 't.json').read_text())['rows']
    assert [row['group'] for row in rows] == ['ours', 'thumbnail']
    assert 'thumbnail' in (tmp_path / 'page.md').read_text()
