"""One position in the spellings of spreadsheets, catalogues and cameras."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.sources.cell_values import degrees_of, metres_of
from ghost_vpr_ros.replay.sources.image_sources import ImageSource, open_source
from ghost_vpr_ros.replay.sources.utm_grid import utm_position

SYDNEY = (-33.857, 151.215)


def opened(folder: Path, *lines: str, encoding: str = 'utf-8') -> ImageSource:
    for name in ('0.jpg', '1.jpg', 'a b.jpg'):
        cv2.imwrite(str(folder / name), np.zeros((8, 8, 3), np.uint8))
    (folder / 'm.csv').write_bytes('\n'.join(lines).encode(encoding))
    return open_source(folder / 'm.csv')


@pytest.mark.parametrize(
    'text',
    ['33.857 S', 's 33.857', '33.857 South', '\u221233.857', '-33.857 deg', '33.857 degrees S']
    + ['33 deg 51\' 25.2" S', '33d51m25.2sS', '33\u00b0 51\u2032 25.2\u2033 S', '33 51.42 S']
    + [
        '33\u02da51\u00b425.2\u00b4\u00b4S',
        '33\u00ba51\u201825.2\u201cS',
        '33\u207051\u02b925.2\u02baS',
    ]
    + ['33.857degreesS', '33 deg 51 min 25.2 sec south', '-33deg51min25.2sec'],
)
def test_degrees_of_the_south(text: str) -> None:
    assert degrees_of(text, 'NS', False) == pytest.approx(-33.857)


@pytest.mark.parametrize(
    ('text', 'letters', 'value'),
    [('52.2 degrees', 'NS', 52.2), ('52d12m0s', 'NS', 52.2), ('3 West', 'EW', -3.0)],
)
def test_letters_of_units_are_no_hemispheres(text: str, letters: str, value: float) -> None:
    assert degrees_of(text, letters, False) == pytest.approx(value)


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('35', 35.0),
        ('35 m', 35.0),
        ('35.5 m Above Sea Level', 35.5),
        ('2 m Below Sea Level', -2.0),
    ],
)
def test_metres_of_an_altitude(text: str, value: float) -> None:
    assert metres_of(text, False) == value


def test_feet_are_no_metres() -> None:
    with pytest.raises(ValueError, match='found'):
        metres_of('35 ft', False)


@pytest.mark.parametrize(
    'zone',
    ['56 south', '56_south', '56-south', '056H', 'H56', '56H UTM', '56 S hemisphere']
    + ['zone 56 southern hemisphere', 'WGS 84 / UTM zone 56S', 'GDA94 / UTM zone 56S']
    + ['EPSG:32756', 'EPSG 32756', 'urn:ogc:def:crs:EPSG::32756', '32756', 'EPSG:28356']
    + ['+proj=utm +zone=56 +south', '+proj=utm +zone=56 +south +datum=WGS84'],
)
def test_zones_of_the_south(zone: str) -> None:
    geo = utm_position(334873.1, 6252266.0, zone, '')
    assert geo is not None
    assert (geo.latitude_deg, geo.longitude_deg) == pytest.approx(SYDNEY, abs=1e-4)


@pytest.mark.parametrize(
    'zone', ['32N', '32', 'ETRS89 / UTM zone 32N', 'EPSG:25832', '+proj=utm +zone=32']
)
def test_zones_of_the_north(zone: str) -> None:
    geo = utm_position(334873.1, 6252266.0, zone, '')
    assert geo is not None and geo.latitude_deg == pytest.approx(56.386, abs=1e-3)


@pytest.mark.parametrize('zone', ['17N', '17', '17S', 'EPSG:32617'])
def test_a_northing_of_the_south_is_not_laid_onto_the_pole(zone: str) -> None:
    with pytest.raises(ValueError, match=r'89\.7 degrees.*south of the equator write 17 south'):
        utm_position(500_000.0, 9_970_000.0, zone, '')


def test_a_northing_of_the_north_is_not_laid_onto_the_other_pole() -> None:
    with pytest.raises(ValueError, match='north of the equator write 33 north'):
        utm_position(500_000.0, 20_000.0, '33 south', '')


@pytest.mark.parametrize(
    'header',
    ['latitude,latitude_ref,longitude,longitude_ref', 'Latitude,NS,Longitude,EW']
    + ['GPSLatitude,GPSLatitudeRef,GPSLongitude,GPSLongitudeRef'],
)
@pytest.mark.parametrize('south', ['S', 'South', 's'])
def test_the_hemisphere_may_have_a_column_of_its_own(
    tmp_path: Path, header: str, south: str
) -> None:
    source = opened(tmp_path, f'image,{header}', f'0.jpg,33.857,{south},151.215,E')
    geo = source.frames[0].geo
    assert geo is not None and source.notes == ()
    assert (geo.latitude_deg, geo.longitude_deg) == SYDNEY


def test_a_column_hemisphere_is_that_of_the_latitude(tmp_path: Path) -> None:
    source = opened(tmp_path, 'image,lat,lon,hemisphere', '0.jpg,33.857,151.215,S')
    assert source.frames[0].geo is not None
    assert source.frames[0].geo.latitude_deg == -33.857


@pytest.mark.parametrize(
    ('cells', 'words'),
    [('33.8,,151.2,E', 'expected one of NS in latitude_ref'), ('-33.8,N,151.2,E', 'contradict')],
)
def test_a_hemisphere_that_is_not_settled_is_refused(
    tmp_path: Path, cells: str, words: str
) -> None:
    with pytest.raises(SourceError, match=words):
        opened(tmp_path, 'image,lat,lat_ref,lon,lon_ref', f'0.jpg,{cells}')


def test_the_table_of_a_tool_for_photos(tmp_path: Path) -> None:
    cells = '"33 deg 51\' 25.20"" S","151 deg 12\' 54.00"" E",35 m Above Sea Level'
    source = opened(
        tmp_path, 'SourceFile,GPSLatitude,GPSLongitude,GPSAltitude', f'./0.jpg,{cells}'
    )
    geo = source.frames[0].geo
    assert geo is not None and geo.altitude_m == 35.0
    assert (geo.latitude_deg, geo.longitude_deg) == pytest.approx(SYDNEY)


@pytest.mark.parametrize(
    ('columns', 'told'),
    [('x_km,y_km', 'x_km'), ('x_cm,y_cm', 'y_cm'), ('geometry', 'geometry'), ('wkt', 'wkt')]
    + [('lat,lon,altitude_ft', 'altitude_ft'), ('latitude_e7,longitude_e7', 'latitude_e7')],
)
def test_columns_of_other_units_are_told_without_another_name(
    tmp_path: Path, columns: str, told: str
) -> None:
    cells = ','.join(['1'] * len(columns.split(',')))
    notes = ' '.join(opened(tmp_path, f'image,{columns}', f'0.jpg,{cells}').notes)
    assert f"'{told}' is not read: its unit or meaning is open" in notes
    assert 'did you mean' not in notes


@pytest.mark.parametrize(
    ('name', 'cell', 'stamp_ns'),
    [('datetime', '2024-05-06T10:00:00Z', 1_714_989_600 * 10**9)]
    + [('time', '1714989600.5', 1_714_989_600_500_000_000), ('time', '101500', -1)]
    + [('timestamp', '45418.416667', -1), ('datetime', '2024-05-06 10:00:00', -1)],
)
def test_times_that_can_mean_one_thing_are_read(
    tmp_path: Path, name: str, cell: str, stamp_ns: int
) -> None:
    source = opened(tmp_path, f'image,lat,lon,{name}', f'0.jpg,52.2,0.1,{cell}')
    assert source.frames[0].stamp_ns == stamp_ns
    assert bool(source.notes) == (stamp_ns < 0 and name != 'time')


@pytest.mark.parametrize('encoding', ['cp1252', 'mac_roman', 'gbk'])
def test_tables_of_other_encodings_are_read_and_told(tmp_path: Path, encoding: str) -> None:
    note = '\u5317' if encoding == 'gbk' else '\u00fc'
    source = opened(tmp_path, 'image,lat,lon,note', f'0.jpg,52.2,0.1,{note}', encoding=encoding)
    assert source.frames[0].geo is not None
    assert 'read as Windows-1252' in source.notes[0]


def test_an_image_named_in_windows_1252_is_found_by_its_letters_or_its_bytes(
    tmp_path: Path,
) -> None:
    for name in ('stra\u00dfe.jpg'.encode(), b'stra\xdfe2.jpg'):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    lines = ('image,lat,lon', 'stra\u00dfe.jpg,52.2,0.1', 'stra\u00dfe2.jpg,52.2,0.1')
    frames = opened(tmp_path, *lines, encoding='cp1252').frames
    assert [frame.load().shape for frame in frames] == [(8, 8, 3)] * 2


@pytest.mark.parametrize('name', ['a%20b.jpg', 'file://{}/a%20b.jpg', 'file://localhost{}/0.jpg'])
def test_addresses_of_images_are_found(tmp_path: Path, name: str) -> None:
    source = opened(tmp_path, 'image,lat,lon', f'{name.format(tmp_path)},52.2,0.1')
    assert source.frames[0].load().shape == (8, 8, 3)


def test_empty_cells_behind_the_last_column_do_not_matter(tmp_path: Path) -> None:
    assert opened(tmp_path, 'image;lat;lon', '0.jpg;52,2;0,1;;').frames[0].geo is not None


@pytest.mark.parametrize('cell', ['-999', '999.999', '9999'])
def test_numbers_that_mean_unknown_are_refused_with_the_next_step(
    tmp_path: Path, cell: str
) -> None:
    with pytest.raises(SourceError, match='leave the cells empty'):
        opened(tmp_path, 'image,lat,lon', f'0.jpg,{cell},{cell}')


def test_utm_0_0_is_told(tmp_path: Path) -> None:
    lines = ('0.jpg,0,0,33U', '1.jpg,302700,5787000,33U')
    source = opened(tmp_path, 'image,easting,northing,utm_zone', *lines)
    assert [frame.geo is None for frame in source.frames] == [True, False]
    assert '0, 0 means "not known"' in source.notes[0]


def position(source: ImageSource) -> tuple[float, float]:
    geo = source.frames[0].geo
    assert geo is not None
    return geo.latitude_deg, geo.longitude_deg


@pytest.mark.parametrize(
    ('header', 'cells'),
    [('lat,lon', '5212.5000N,00007.2W'), ('lat,ns,lon,ew', '5212.5000,N,00007.2000,W')],
)
def test_degrees_and_minutes_of_a_receiver(tmp_path: Path, header: str, cells: str) -> None:
    source = opened(tmp_path, f'image,{header}', f'0.jpg,{cells}')
    assert position(source) == pytest.approx((52.208333, -0.12))


@pytest.mark.parametrize(
    ('cells', 'words'),
    [
        ('5212.5,00007.2', 'NMEA'),
        ('0012.5,00007.2', 'NMEA'),
        ('5212.5N,7.2E', 'latitude is in degrees and minutes'),
        ('52.2,3.7 O', 'east or west by the language'),
    ],
)
def test_degrees_that_could_mean_two_things_are_refused(
    tmp_path: Path, cells: str, words: str
) -> None:
    with pytest.raises(SourceError, match=words):
        opened(tmp_path, 'image,lat,lon', f'0.jpg,{cells}')


@pytest.mark.parametrize('system', ['EPSG:32756', '32756', 'WGS 84 / UTM zone 56S'])
@pytest.mark.parametrize('header', ['x,y,epsg', 'easting,northing,crs', 'x,y,srid'])
def test_a_column_with_the_coordinate_system_makes_positions_of_metres(
    tmp_path: Path, system: str, header: str
) -> None:
    source = opened(tmp_path, f'image,{header}', f'0.jpg,334873.1,6252266,{system}')
    assert position(source) == pytest.approx(SYDNEY, abs=1e-4)
    assert source.notes == ()


def test_other_coordinate_systems_are_refused_and_names_of_frames_are_not(tmp_path: Path) -> None:
    for system in ('EPSG:3857', '4326', '27700'):
        with pytest.raises(SourceError, match='expected a UTM grid'):
            opened(tmp_path, 'image,x,y,crs', f'0.jpg,1.0,2.0,{system}')
    assert opened(tmp_path, 'image,x,y,crs', '0.jpg,1.0,2.0,local').frames[0].pose is not None
    assert position(opened(tmp_path, 'image,lat,lon,epsg', '0.jpg,1,2,4326')) == (1.0, 2.0)


def test_a_zone_with_a_sign_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='write 56 south'):
        opened(tmp_path, 'image,easting,northing,utm_zone', '0.jpg,334873,6252266,-56')


@pytest.mark.parametrize('altitude', ['-9999', '99999', '-32768', '1e9'])
def test_an_altitude_that_no_camera_has_is_not_known(tmp_path: Path, altitude: str) -> None:
    geo = opened(tmp_path, 'image,lat,lon,altitude', f'0.jpg,1,2,{altitude}').frames[0].geo
    assert geo is not None and geo.altitude_m is None


@pytest.mark.parametrize('cell', ['-nan', '#VALUE!', '#DIV/0!', 'nan(ind)', '(null)'])
def test_what_programs_write_for_unknown_is_unknown(tmp_path: Path, cell: str) -> None:
    assert opened(tmp_path, 'image,lat,lon', f'0.jpg,{cell},{cell}').frames[0].geo is None


def test_dates_as_exiftool_writes_them(tmp_path: Path) -> None:
    for date in ('2024:05:06 10:00:00Z', '2024-05-06T12:00:00+02'):
        source = opened(tmp_path, 'SourceFile,GPSDateTime', f'0.jpg,{date}')
        assert source.frames[0].stamp_ns == 1_714_989_600 * 10**9


def test_seconds_in_a_column_that_is_not_read_are_told(tmp_path: Path) -> None:
    source = opened(tmp_path, 'image,sec,nanosec', '0.jpg,5,100')
    assert [note.split(' is not read')[0] for note in source.notes] == [
        "the column 'sec'",
        "the column 'nanosec'",
    ]


def test_one_image_under_two_spellings_is_listed_twice(tmp_path: Path) -> None:
    (tmp_path / 'x').mkdir()
    with pytest.raises(SourceError, match='already listed in row 2'):
        opened(tmp_path, 'image', '0.jpg', 'x/../0.jpg')


def test_names_with_spaces_at_their_ends(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / ' c.jpg'), np.zeros((8, 8, 3), np.uint8))
    assert opened(tmp_path, 'image', '" c.jpg"').frames[0].name == ' c.jpg'


@pytest.mark.parametrize(
    ('lines', 'words'),
    [
        (('My survey', 'image,lat,lon', '0.jpg,1,2'), 'the first row has to name the columns'),
        (('image lat lon', '0.jpg 1 2'), 'the first row has to name the columns'),
        (('name,lat,lon', '0.jpg,1,2'), 'name the column that holds the paths `image`'),
        (('image', 'x'), 'there is a folder of this name'),
    ],
)
def test_the_hint_fits_the_fault(tmp_path: Path, lines: tuple[str, ...], words: str) -> None:
    (tmp_path / 'x').mkdir()
    with pytest.raises(SourceError, match=words):
        opened(tmp_path, *lines)


def test_the_end_mark_of_dos_is_no_row(tmp_path: Path) -> None:
    assert len(opened(tmp_path, 'image', '0.jpg', '\x1a').frames) == 1


def test_a_table_of_another_suffix(tmp_path: Path) -> None:
    (tmp_path / 'm.txt').write_text('image\n')
    with pytest.raises(SourceError, match=r'rename it to \.csv'):
        open_source(tmp_path / 'm.txt')


@pytest.mark.parametrize('header', ['lat,latref,lon,lonref', 'Lat,N/S,Lon,E/W'])
def test_letters_in_columns_of_their_own_count(tmp_path: Path, header: str) -> None:
    source = opened(tmp_path, f'image,{header}', '0.jpg,33.857,S,151.215,E')
    geo = source.frames[0].geo
    assert (geo.latitude_deg, geo.longitude_deg) == pytest.approx(SYDNEY)


def test_letters_under_another_name_are_told(tmp_path: Path) -> None:
    source = opened(tmp_path, 'image,lat,half,lon,side', '0.jpg,33.857,S,151.215,N')
    (note,) = source.notes
    assert note == (
        "the column 'half' holds the letter S and is not read; if it is the hemisphere, name it "
        'latitude_ref'
    )


@pytest.mark.parametrize(
    ('cell', 'is_told'),
    [('"-33.857, 151.215"', True), ('"33 51 25 S, 151 12 54 E"', True), ('"0.5, red"', False)]
    + [('(-33.857; 151.215)', True), ('1 2', False), ('2024-05-06 10:00', False)],
)
def test_two_numbers_in_one_cell_are_told(tmp_path: Path, cell: str, is_told: bool) -> None:
    source = opened(tmp_path, 'image,GPSPosition', f'0.jpg,{cell}')
    assert any("'gpsposition' seems to hold two numbers" in n for n in source.notes) == is_told


def test_a_separator_that_is_no_longer_true_does_not_matter(tmp_path: Path) -> None:
    source = opened(tmp_path, 'sep=;', 'image,lat,lon', '0.jpg,-33.857,151.215')
    assert source.frames[0].geo is not None


def test_a_date_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="'2024-13-31T00:00:00Z' is not a date"):
        opened(tmp_path, 'image,stamp_ns', '0.jpg,2024-13-31T00:00:00Z')
