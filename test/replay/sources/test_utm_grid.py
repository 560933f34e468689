"""UTM coordinates: zone, letter and northing have to agree."""

from pathlib import Path

import pytest

from ghost_vpr_ros.core.datatypes import GeoPoint
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.sources.utm_grid import (
    check_agreement,
    tells_hemisphere,
    utm_position,
)
from ghost_vpr_ros.replay.sources.utm_names import utm_frame

SYDNEY = (334_873.1, 6_252_266.0)


@pytest.mark.parametrize(
    ('zone', 'band'),
    [('56H', ''), ('56', 'H'), ('56 h', ''), ('56H', 'H'), ('56 south', ''), ('56', 'South')]
    + [('EPSG:32756', ''), ('32756', ''), ('UTM 56H', ''), ('zone 56', 'southern'), ('56.0', 'H')],
)
def test_sydney_lies_in_the_south_in_every_spelling(zone: str, band: str) -> None:
    geo = utm_position(*SYDNEY, zone, band)
    assert (geo.latitude_deg, geo.longitude_deg) == pytest.approx((-33.857, 151.215), abs=1e-3)
    assert tells_hemisphere(zone, band)


@pytest.mark.parametrize(('zone', 'band'), [('56', ''), ('56.0', ''), ('UTM zone 56', '')])
def test_without_a_letter_the_north_is_taken_and_can_be_told(zone: str, band: str) -> None:
    assert utm_position(*SYDNEY, zone, band).latitude_deg == pytest.approx(56.386, abs=1e-3)
    assert not tells_hemisphere(zone, band)


@pytest.mark.parametrize(('zone', 'band'), [('56S', ''), ('56', 'S'), ('56', 's')])
def test_s_for_south_is_refused_with_both_meanings(zone: str, band: str) -> None:
    with pytest.raises(ValueError, match=r'band S \(32 .. 40 degrees\).*56\.4.*write 56 south'):
        utm_position(*SYDNEY, zone, band)


def test_band_s_lies_north_of_the_equator() -> None:
    # San Francisco: zone 10S, 551 km E, 4181 km N
    assert utm_position(551_000, 4_181_000, '10', 'S').latitude_deg == pytest.approx(37.8, abs=0.1)


def test_n_means_the_same_as_a_band_and_as_a_hemisphere() -> None:
    assert utm_position(500_000, 5_800_000, '33', 'N').latitude_deg == pytest.approx(52.3, abs=0.1)


def test_a_letter_of_another_latitude_is_refused_but_for_the_next_degree() -> None:
    with pytest.raises(ValueError, match='band T'):
        utm_position(500_000, 6_700_000, '33', 'T')
    assert utm_position(500_000, 5_350_000, '33', 'T').latitude_deg > 48.0


def test_zeros_are_not_known() -> None:
    assert utm_position(0.0, 0.0, '33', 'U') is None


@pytest.mark.parametrize(
    ('easting', 'northing', 'text'),
    [
        (334_873.1, -3_747_734.0, 'northings count from 10,000,000'),
        (6_252_266.0, 334_873.1, 'seem to be swapped'),
        (151.2, -33.8, 'look like degrees'),
        (3e6, 2e7, 'are not a UTM position'),
    ],
)
def test_metres_that_are_none_say_what_they_may_be(easting, northing, text) -> None:
    with pytest.raises(ValueError, match=text):
        utm_position(easting, northing, '56', 'H')


@pytest.mark.parametrize(
    ('zone', 'band'), [('0', ''), ('61', 'H'), ('33', 'Z'), ('abc', ''), ('9' * 400, '')]
)
def test_zones_that_do_not_exist(zone: str, band: str) -> None:
    with pytest.raises(ValueError, match=r'zone 1 \.\. 60') as error:
        utm_position(*SYDNEY, zone, band)
    assert len(str(error.value)) < 120


def test_degrees_and_metres_of_one_image_have_to_be_of_one_place() -> None:
    here = GeoPoint(-33.857, 151.215)
    check_agreement(here, *SYDNEY, '56H', '')
    check_agreement(GeoPoint(-33.86, 151.22), *SYDNEY, '56', 'H')  # rounded
    with pytest.raises(ValueError, match=r'lie .* km apart; correct one of them'):
        check_agreement(GeoPoint(33.857, 151.215), *SYDNEY, '56H', '')
    for zone in ('56', '56S', 'x'):  # these settle nothing: the degrees count
        check_agreement(here, *SYDNEY, zone, '')


def test_names_with_a_decimal_comma_and_with_two_places(tmp_path: Path) -> None:
    for name in ('@334873,1@6252266,0@56@H@.jpg', '@334873.1@6252266.0@56@H@-33.857@151.215@.jpg'):
        geo = utm_frame(tmp_path / name, name).geo
        assert geo.latitude_deg == pytest.approx(-33.857, abs=1e-3)
    with pytest.raises(SourceError, match='km apart'):
        utm_frame(tmp_path / '@334873.1@6252266.0@56@H@52.2@0.12@.jpg', 'a')
