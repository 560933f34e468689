"""Tables as they come out of spreadsheets, Windows and scripts."""

import re
from pathlib import Path

import pytest

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.sources.image_sources import open_source
from ghost_vpr_ros.replay.sources.table import read_table
from test.replay.sources.photos import jpeg_bytes

PLAIN = 'image,latitude,longitude\nimages/0.jpg,52.2,0.12\nimages/1.jpg,52.2003,0.12\n'


def manifest(folder: Path, text: str | bytes) -> Path:
    (folder / 'images').mkdir(exist_ok=True)
    for number in range(4):
        (folder / 'images' / f'{number}.jpg').write_bytes(jpeg_bytes())
    path = folder / 'list.csv'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


SPELLINGS = {
    'plain': PLAIN.encode(),
    'bom': PLAIN.encode('utf-8-sig'),
    'utf16': PLAIN.encode('utf-16'),
    'utf16_be_without_mark': PLAIN.encode('utf-16-be'),
    'utf32': PLAIN.encode('utf-32'),
    'crlf': PLAIN.replace('\n', '\r\n').encode(),
    'cr': PLAIN.replace('\n', '\r').encode(),
    'tabs': PLAIN.replace(',', '\t').encode(),
    'bars': PLAIN.replace(',', '|').encode(),
    'semicolon_and_decimal_comma': PLAIN.replace(',', ';').replace('.2', ',2').encode(),
    'utf16_semicolon': PLAIN.replace(',', ';').replace('52.2', '52,2').encode('utf-16'),
    'sep_line': ('sep=;\n' + PLAIN.replace(',', ';')).encode(),
    'sep_comma_line': ('"sep=,"\r\n' + PLAIN).encode(),
    'remark': ('# made by hand\n\n' + PLAIN).encode(),
    'trailing_separators': PLAIN.replace('\n', ',,\n').encode(),
    'index_column': '\n'.join(f'{n},{line}' for n, line in enumerate(PLAIN.splitlines())).encode(),
    'backslashes': PLAIN.replace('/', '\\').encode(),
    'quoted_decimal_comma': (
        b'"image","latitude","longitude"\n"images/0.jpg","52,2","0,12"\n'
        b'"images/1.jpg","52,2003","0,12"\n'
    ),
    'spaces': PLAIN.replace(',', ' , ').encode(),
}
SPELLINGS['index_column'] = SPELLINGS['index_column'].replace(b'0,image', b',image', 1)


@pytest.mark.parametrize('spelling', SPELLINGS)
def test_one_table_in_every_spelling(tmp_path: Path, spelling: str) -> None:
    source = open_source(manifest(tmp_path, SPELLINGS[spelling]))
    found = [(f.name, f.geo.latitude_deg, f.geo.longitude_deg) for f in source.frames]
    assert found == [('images/0.jpg', 52.2, 0.12), ('images/1.jpg', 52.2003, 0.12)]
    assert source.notes == ()


@pytest.mark.parametrize(
    'header',
    [
        'filename,lat,lon',
        'file,lat,lng',
        'Image,GPS_Lat,GPS_Lon',
        'path,Latitude (deg),Longitude [°]',
    ]
    + ['SourceFile,GPSLatitude,GPSLongitude', 'image_path,lat_deg,lon_deg'],
)
def test_what_other_programs_call_the_columns(tmp_path: Path, header: str) -> None:
    text = PLAIN.replace('image,latitude,longitude', header)
    (frame, _) = open_source(manifest(tmp_path, text)).frames
    assert (frame.geo.latitude_deg, frame.geo.longitude_deg) == (52.2, 0.12)


@pytest.mark.parametrize('column', ['heading', 'bearing', 'course', 'compass_deg', 'Heading (°)'])
def test_a_heading_of_another_name_is_read(tmp_path: Path, column: str) -> None:
    text = f'image,lat,lon,{column}\nimages/0.jpg,52.2,0.12,90\nimages/1.jpg,52.2,0.12,0\n'
    source = open_source(manifest(tmp_path, text))
    assert source.frames[0].pose.quaternion_xyzw.tolist() == pytest.approx([0, 0, 0, 1])
    assert source.frames[0].attributes['heading_deg'] == '90'
    assert source.notes == ()


@pytest.mark.parametrize(
    ('column', 'cell', 'text'),
    [
        ('heading', '1.57', 'could be degrees or radians'),
        ('heading (rad)', '1.57', 'its unit or meaning is open'),
        ('yaw', '90', 'its unit or meaning is open'),
        ('headng_deg', '90', "did you mean 'heading_deg'"),
        ('timestamp', '2024-05-06 10:00:00', 'has no time zone'),
        ('timestamp', '17149899', 'could be of any unit'),
        ('elevation', '30 ft', 'expected a finite number'),
        ('datetime', '6 May', 'expected a time'),
    ],
)
def test_columns_that_look_like_known_ones_are_told(tmp_path, column, cell, text) -> None:
    table = f'image,lat,lon,{column}\nimages/0.jpg,52.2,0.12,{cell}\n'
    source = open_source(manifest(tmp_path, table))
    assert source.frames[0].geo is not None
    assert source.frames[0].stamp_ns == -1
    (remark,) = source.notes
    assert remark.startswith(f'the column {column.lower()!r} is not read')
    assert text in remark


def test_columns_of_other_things_are_not_told(tmp_path: Path) -> None:
    text = 'image,lat,lon,role,split,place,tile,height_m,pitch_deg,roll_deg,date,time,weather\n'
    text += 'images/0.jpg,52.2,0.12' + ',1' * 10 + '\n'
    source = open_source(manifest(tmp_path, text))
    assert source.notes == ()
    assert source.frames[0].attributes['time'] == '1'


@pytest.mark.parametrize(
    ('column', 'cell', 'stamp_ns'),
    [
        ('timestamp', '1714989900', 1_714_989_900_000_000_000),
        ('timestamp', '1714989900.5', 1_714_989_900_500_000_000),
        ('timestamp', '1714989900500', 1_714_989_900_500_000_000),
        ('timestamp', '1714989900500000', 1_714_989_900_500_000_000),
        ('timestamp', '1714989900500000000', 1_714_989_900_500_000_000),
        ('timestamp', '2024-05-06T10:05:00.5Z', 1_714_989_900_500_000_000),
        ('stamp', '2024-05-06T10:05:00Z', 1_714_989_900_000_000_000),
        ('timestamp_ms', '1714989900500', 1_714_989_900_500_000_000),
        ('timestamp_ns', '1714989900500000000', 1_714_989_900_500_000_000),
        ('unix_time', '1714989900', 1_714_989_900_000_000_000),
    ],
)
def test_times_of_every_spelling(tmp_path, column, cell, stamp_ns) -> None:
    path = manifest(tmp_path, f'image,{column}\nimages/0.jpg,{cell}\n')
    assert open_source(path).frames[0].stamp_ns == stamp_ns


def test_a_documented_name_goes_before_others_and_others_may_not_compete(tmp_path: Path) -> None:
    text = 'image,filename,lat,gps_lat,lon\nimages/0.jpg,x,52.2,99,0.12\n'
    assert open_source(manifest(tmp_path, text)).frames[0].geo.latitude_deg == 52.2
    with pytest.raises(SourceError, match="'filename' and 'path' could both be the image"):
        open_source(manifest(tmp_path, 'filename,path\nimages/0.jpg,x\n'))


@pytest.mark.parametrize(
    'cells', ['nan,nan', 'None,None', 'NULL,NaN', 'n/a,n/a', ',', '0,0', '0.0,-0.0']
)
def test_positions_that_are_not_known(tmp_path: Path, cells: str) -> None:
    text = f'image,lat,lon,heading_deg\nimages/0.jpg,{cells},90\nimages/1.jpg,52.2,0.12,90\n'
    unknown, known = open_source(manifest(tmp_path, text)).frames
    assert (unknown.geo, unknown.pose) == (None, None)
    assert known.geo is not None


@pytest.mark.parametrize(
    ('columns', 'cells'),
    [
        ('Breite;L\u00e4nge', '52,2;0,12'),
        (
            '\u0448\u0438\u0440\u043e\u0442\u0430;\u0434\u043e\u043b\u0433\u043e\u0442\u0430',
            '52.2;0.12',
        ),
    ]
    + [
        ('Rechtswert;Hochwert', '3457000;5540000'),
        ('a;b', '52\u00b012\u2032;0\u00b007\u203212\u2033'),
    ],
)
def test_positions_under_names_of_another_language_are_told(tmp_path, columns, cells) -> None:
    text = f'image;{columns};camera;run\nimages/0.jpg;{cells};left;7\n'
    (note,) = open_source(manifest(tmp_path, text)).notes
    first, second = columns.lower().split(';')
    assert note.startswith(f'no column is known as a position, but {first!r} and {second!r} could')


def test_numbers_of_classes_and_frames_are_no_positions(tmp_path: Path) -> None:
    text = 'image,frame,class,gain\nimages/0.jpg,17,3,0.5\n'
    assert open_source(manifest(tmp_path, text)).notes == ()


def test_cells_that_a_program_leaves_out_at_the_end_are_empty(tmp_path: Path) -> None:
    text = 'image,lat,lon,,\nimages/0.jpg,52.2,\u200e0.12\u200b\nimages/1.jpg,52.3,0.13,,\n'
    frames = open_source(manifest(tmp_path, text)).frames
    assert [frame.geo.longitude_deg for frame in frames] == [0.12, 0.13]


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        (
            'image,lat,lon\nimages/0.jpg,0,0\nimages/1.jpg,52.2,0.12\n',
            r'1 image \(images/0\.jpg\): position 0, 0 means "not known"',
        ),
        (
            'image,easting,northing,utm_zone\nimages/0.jpg,500000,5800000,33\n',
            '.*taken as north',
        ),
        (
            'image,x,y\nimages/0.jpg,0.12,52.2\nimages/1.jpg,0.12,52.2003\n',
            '.*if they are degrees, name the columns latitude and longitude',
        ),
    ],
)
def test_what_may_be_a_mistake_is_noted(tmp_path: Path, text: str, words: str) -> None:
    (remark,) = open_source(manifest(tmp_path, text)).notes
    assert re.match(words, remark)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('image,lat,lon\nimages/0.jpg,151.2,-33.8\n', 'seem to be swapped'),
        ('image,lat,lon\nimages/0.jpg,40.4,280\n', 'longitude 280 .*subtract 360'),
        ('image,lat,lon\nimages/0.jpg,334873,6252266\n', 'metres belong into easting'),
        ('image,lat,lon\nimages/0.JPG,52.2,0.12\n', 'there is 0.jpg: capital and small letters'),
        ('image\nC:\\me\\images\\0.jpg\n', 'another computer; .* such as images/0.jpg'),
        ('image\n\\\\nas\\share\\0.jpg\n', 'a path of another computer'),
        ('images/0.jpg,52.2,0.12\n', 'the first row has to name the columns'),
        ('image,x,y,heading_deg\nimages/0.jpg,1,2,9000\n', 'not a direction in degrees'),
        ('image,easting,northing,utm_zone\nimages/0.jpg,"334,873",6252266,56H\n', 'thousands'),
        ('image,easting,northing,utm_zone\nimages/0.jpg,0.12,52.2,31U\n', 'look like degrees'),
        ('image,stamp_ns\nimages/0.jpg,1e6000000\n', 'expected a time in stamp_ns'),
        ('image,stamp_ns\nimages/0.jpg,1.71499E+18\n', 'was rounded to 10,000 s'),
        ('image,lat,lon\nimages/0.jpg,33deg51min25secS,1\n', 'is south or a plural'),
        ('image,stamp_s\nimages/0.jpg,1e999\n', 'stamp_s 1e999 is outside'),
        ('image,stamp_ns\nimages/0.jpg,' + '9' * 400 + '\n', 'expected a time in stamp_ns'),
        ('image,lat,lon\nimages/0.jpg,' + '9' * 400 + ',1\n', 'finite number in latitude'),
        ('image,' + 'x' * 140_000 + '\nimages/0.jpg,1\n', 'not valid CSV'),
        ('image,note\nimages/0.jpg,' + 'x' * 140_000 + '\n', 'not valid CSV'),
        ('image\n' + 'x' * 300 + '.jpg\n', 'there is no image'),
        ('image\nimages/0.jpg\0\n', 'found 1 zero bytes'),
    ],
)
def test_mistakes_are_refused_with_what_they_may_be(tmp_path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as error:
        open_source(manifest(tmp_path, text))
    assert len(str(error.value)) < 600 + len(str(tmp_path)) * 2


def test_a_column_hemisphere_names_no_band(tmp_path: Path) -> None:
    text = 'image,easting,northing,utm_zone,hemisphere\nimages/0.jpg,334873.1,6252266,56,S\n'
    (frame,) = open_source(manifest(tmp_path, text)).frames
    assert frame.geo.latitude_deg == pytest.approx(-33.857, abs=1e-3)


def test_composed_letters_find_a_file_of_the_other_form(tmp_path: Path) -> None:
    path = manifest(tmp_path, 'image\nimages/stra\u00dfe_\u00e9.jpg\n')
    (tmp_path / 'images' / 'stra\u00dfe_e\u0301.jpg').write_bytes(jpeg_bytes())
    (frame,) = open_source(path).frames
    assert frame.load().shape == (8, 8, 3)


def test_rows_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    path = manifest(tmp_path, '# remark\nsep=,\n' + PLAIN + 'images/2.jpg,x,1\n')
    with pytest.raises(SourceError, match='row 6: expected a finite number in latitude'):
        open_source(path)
    assert read_table(path).rows[0].line == 4


def test_tables_that_were_joined_and_remarks_between_rows(tmp_path):
    header, first, second = PLAIN.splitlines()
    text = '\n'.join([header, first, '# second drive', header.upper(), second, '#,,'])
    assert len(read_table(manifest(tmp_path, text)).rows) == 2


def test_zero_bytes_of_a_power_cut_are_named(tmp_path):
    with pytest.raises(SourceError, match='found 40 zero bytes, as a power cut leaves them'):
        read_table(manifest(tmp_path, PLAIN.encode() + bytes(40)))
