"""What a map decides by is what its recogniser uses, not what the number of keyframes suggests."""

from types import SimpleNamespace

import numpy as np

from ghost_vpr_ros.cli.deciding import deciding_text
from ghost_vpr_ros.core.probability.likelihood import learn_likelihood


class ManyPlaces(SimpleNamespace):
    """Twenty places 100 m apart, each seen twice; their descriptors differ by `spread`."""

    def __init__(self, spread):
        generator = np.random.default_rng(0)
        rows = np.ones(32) + spread * np.repeat(generator.standard_normal((20, 32)), 2, axis=0)
        rows += 0.1 * spread * generator.standard_normal(rows.shape)
        self.rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        self.places = np.zeros((40, 3))
        self.places[:, 0] = np.repeat(100.0 * np.arange(20), 2)
        super().__init__(calibration=None, model_hash='foreign', map_frame='enu')

    def __len__(self):
        return len(self.rows)

    def descriptors(self):
        return self.rows

    def positions(self):
        return self.places


def test_places_that_differ_decide_themselves():
    told_apart = ManyPlaces(spread=1.0)
    assert learn_likelihood(told_apart.rows, told_apart.places, 25.0) is not None
    assert deciding_text(told_apart).startswith('by its own keyframes')


def test_where_all_look_alike_the_map_does_not_decide():
    alike = ManyPlaces(spread=0.02)
    assert learn_likelihood(alike.rows, alike.places, 25.0) is None
    text = deciding_text(alike)
    assert text.startswith('not at all, answers are tentative: to its network, keyframes within')


def test_a_map_without_positions_is_not_sent_to_calibrate():
    unplaced = ManyPlaces(spread=1.0)
    unplaced.places[:], unplaced.map_frame = np.nan, 'none'
    text = deciding_text(unplaced)
    assert 'its keyframes have no positions; build it from a source that has some' in text
    assert 'calibrate' not in text
