"""Names of images that are stamps are told from names that are not."""

import pytest

from ghost_vpr_ros.replay.sources.stamp_names import stamps_of_names

SECOND = 10**9


@pytest.mark.parametrize(
    ('name', 'stamp_ns'),
    [
        ('rgb/1305031102.175304.png', 1_305_031_102_175_304_000),
        ('1403636579763555584.png', 1_403_636_579_763_555_584),
        ('1418381798086398.png', 1_418_381_798_086_398_000),
        ('1418381798086.jpg', 1_418_381_798_086_000_000),
    ],
)
def test_each_unit_is_told_by_its_digits(name, stamp_ns):
    assert stamps_of_names([name]) == [stamp_ns]


@pytest.mark.parametrize(
    'name',
    [
        '000001.png',
        '1305031102.png',
        '1305031102.5.png',
        '9999999999999.png',
        'IMG_1418381798086.jpg',
    ],
)
def test_other_numbers_are_names(name):
    assert stamps_of_names(['1418381798086.jpg', name]) is None


def test_two_images_of_one_moment_are_no_sequence():
    assert stamps_of_names(['left/1418381798086.jpg', 'right/1418381798086.jpg']) is None
