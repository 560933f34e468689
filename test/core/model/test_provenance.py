"""What is left of a provenance after parts of the network were left behind."""

import pytest

from ghost_vpr_ros.core.model.provenance import without

SHIPPED = (
    'trunk distilled from tiny (rows 9-7, 11-10) in 10 steps (20 views), seed 0; clusters '
    'initialised on 500 of 900 images of one, two train; whitening to 512 dimensions learnt on 9 '
    'images of $DATA/a split=train, b; projection trained on 7 queries of mine'
)
TRUNK = 'trunk distilled from tiny (rows 9-7, 11-10) in 10 steps (20 views), seed 0'


@pytest.mark.parametrize(
    ('parts', 'ends'),
    [
        (('clusters', 'whitening', 'projection'), 'seed 0'),
        (('whitening', 'projection'), 'images of one, two train'),
        (('projection',), 'split=train, b'),
        ((), 'queries of mine'),
    ],
)
def test_parts_are_left_out(parts, ends):
    found = without(SHIPPED, *parts)
    assert found.startswith(TRUNK)
    assert found.endswith(ends)
    assert not any(f'{part} ' in found.removeprefix(TRUNK) for part in parts)


def test_what_it_does_not_know_stays():
    assert without('from a friend', 'clusters', 'whitening') == 'from a friend'
