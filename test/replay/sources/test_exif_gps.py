"""A photo's position is used where its tags determine it; otherwise the reason is given."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import has_heic_decoder
from ghost_vpr_ros.replay.sources import exif_gps
from ghost_vpr_ros.replay.sources.exif_gps import photo_frame
from ghost_vpr_ros.replay.sources.image_sources import open_source
from test.replay.sources.photos import NOT_KNOWN, jpeg_bytes, save_photo

LATITUDE = (33.0, 51.0, 24.0)
LONGITUDE = (151.0, 12.0, 54.0)
SYDNEY = {2: LATITUDE, 4: LONGITUDE}


def frame_of_tags(monkeypatch: pytest.MonkeyPatch, **tags: object) -> tuple:
    """Frame and reason of a photo whose GPS tags are these; `t3='E'` is tag 3."""
    gps = {int(name[1:]): value for name, value in tags.items()}
    monkeypatch.setattr(exif_gps, 'read_gps', lambda path: gps)
    return photo_frame(Path('a.jpg'), 'a.jpg')


@pytest.mark.parametrize('reference', ['S', b'S', b'S\0', 's', 'South', 'south ', (83,), 'S\0'])
def test_a_reference_of_any_form_is_understood(monkeypatch, reference) -> None:
    frame, reason = frame_of_tags(monkeypatch, t1=reference, t2=LATITUDE, t3='E', t4=LONGITUDE)
    assert frame.geo.latitude_deg == pytest.approx(-33.856667, abs=1e-6)
    assert frame.geo.longitude_deg == pytest.approx(151.215, abs=1e-6)
    assert reason == ''


@pytest.mark.parametrize('reference', [None, '', b'\0', 'E', '?', 0])
def test_a_hemisphere_that_is_not_known_is_not_guessed(monkeypatch, reference) -> None:
    frame, reason = frame_of_tags(monkeypatch, t1=reference, t2=LATITUDE, t3='E', t4=LONGITUDE)
    assert frame.geo is None
    assert 'latitude' in reason
    assert 'expected N or S' in reason


@pytest.mark.parametrize(
    ('latitude', 'reference', 'expected'),
    [
        ((-33.5,), None, -33.5),
        ((-33.0, 30.0, 0.0), None, -33.5),
        ((-33.5,), 'S', -33.5),
        (-33.5, 'S', -33.5),
        ((33.5,), 'S', -33.5),
        ((33.0, 30.0), 'N', 33.5),
        ((-33.5,), 'N', None),
        ((33.5,), None, None),
    ],
)
def test_a_sign_settles_it_and_may_not_contradict(
    monkeypatch, latitude, reference, expected
) -> None:
    frame, reason = frame_of_tags(monkeypatch, t1=reference, t2=latitude, t3='E', t4=LONGITUDE)
    found = None if frame.geo is None else frame.geo.latitude_deg
    assert found == (None if expected is None else pytest.approx(expected))
    assert bool(reason) == (expected is None)


@pytest.mark.parametrize(
    ('parts', 'expected'),
    [
        ((IFDRational(33), IFDRational(5140, 100), NOT_KNOWN), 33.856667),
        ((IFDRational(338566, 10_000), NOT_KNOWN, NOT_KNOWN), 33.8566),
        ((IFDRational(33), IFDRational(51), NOT_KNOWN), None),
        ((IFDRational(33), NOT_KNOWN, IFDRational(24)), None),
        ((NOT_KNOWN, NOT_KNOWN, NOT_KNOWN), None),
        ((33.0, 75.0, 0.0), None),
        ((33.0, 5.0, 0.0, 0.0), None),
        ('33 51', None),
    ],
)
def test_parts_that_are_zero_over_zero(monkeypatch, parts, expected) -> None:
    frame, _ = frame_of_tags(monkeypatch, t1='N', t2=parts, t3='E', t4=LONGITUDE)
    found = None if frame.geo is None else frame.geo.latitude_deg
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-5))


def test_half_a_position_is_said(monkeypatch) -> None:
    assert frame_of_tags(monkeypatch, t1='S', t2=LATITUDE)[1] == 'a latitude without a longitude'
    assert frame_of_tags(monkeypatch, t3='E', t4=LONGITUDE)[1] == 'a longitude without a latitude'


def test_zero_zero_is_no_position(tmp_path: Path) -> None:
    zero = (0.0, 0.0, 0.0)
    save_photo(tmp_path / '1.jpg', lat_ref='N', lat=zero, lon_ref='E', lon=zero)
    save_photo(tmp_path / '2.jpg', lat_ref='S', lat=LATITUDE, lon_ref='E', lon=LONGITUDE)
    source = open_source(tmp_path)
    assert [frame.geo is None for frame in source.frames] == [True, False]
    (remark,) = source.notes
    assert remark.startswith('1 image (1.jpg): position 0, 0, which a receiver without a fix')


def test_photos_left_without_a_position_are_counted_once_for_each_reason(tmp_path: Path) -> None:
    for number in range(5):
        save_photo(tmp_path / f'{number}.jpg', lat=(number + 1.0, 0.0, 0.0), lon=LONGITUDE)
    (remark,) = open_source(tmp_path).notes
    assert remark.startswith('5 images (0.jpg, 1.jpg, 2.jpg, ...): a latitude with no reference')


@pytest.mark.parametrize(
    ('time', 'date'),
    [
        ((550_219_000.0, 0.0, 0.0), '2024:05:06'),
        ((4_294_967_295.0, 0.0, 0.0), '2024:05:06'),
        ((24.0, 0.0, 0.0), '2024:05:06'),
        ((10.0, 60.0, 0.0), '2024:05:06'),
        ((10.0, 0.0, -1.0), '2024:05:06'),
        ((10.0, 0.0, NOT_KNOWN), '2024:05:06'),
        ((10.0, 0.0), '2024:05:06'),
        (10.0, '2024:05:06'),
        ((10.0, 0.0, 0.0), '2024:13:06'),
        ((10.0, 0.0, 0.0), '0000:00:00'),
        ((10.0, 0.0, 0.0), '1970:01:01'),
        ((10.0, 0.0, 0.0), 'yesterday'),
        ((10.0, 0.0, 0.0), None),
        (None, '2024:05:06'),
    ],
)
def test_a_time_that_no_clock_shows_is_unknown_and_the_photo_kept(monkeypatch, time, date) -> None:
    tags = {'t1': 'S', 't2': LATITUDE, 't3': 'E', 't4': LONGITUDE}
    frame, reason = frame_of_tags(monkeypatch, **tags, t7=time, t29=date)
    assert frame.stamp_ns == UNKNOWN_STAMP_NS
    assert frame.geo is not None
    assert reason == ''


@pytest.mark.parametrize('date', ['2024:05:06', b'2024:05:06\0', '2024-05-06', '2024/5/6'])
def test_dates_of_every_spelling(monkeypatch, date) -> None:
    frame, _ = frame_of_tags(monkeypatch, t7=(10.0, 5.0, 0.25), t29=date)
    assert frame.stamp_ns == 1_714_989_900_250_000_000


@pytest.mark.parametrize(
    ('altitude', 'reference', 'expected'),
    [
        (12.0, 0, 12.0),
        (12.0, b'\x01', -12.0),
        (12.0, 3, -12.0),
        (12.0, b'', 12.0),
        (NOT_KNOWN, 0, None),
        (2.0**31, 0, None),
        (20_000.0, 1, None),
    ],
)
def test_altitude(monkeypatch, altitude, reference, expected) -> None:
    tags = {'t1': 'S', 't2': LATITUDE, 't3': 'E', 't4': LONGITUDE}
    frame, _ = frame_of_tags(monkeypatch, **tags, t5=reference, t6=altitude)
    assert frame.geo.altitude_m == expected


@pytest.mark.parametrize(
    ('heading', 'reference', 'is_known'),
    [(90.0, 'T', True), (90.0, b'T\0', True), (90.0, 'M', False), (655.35, 'T', False)],
)
def test_heading_is_that_of_true_north(monkeypatch, heading, reference, is_known) -> None:
    tags = {'t1': 'S', 't2': LATITUDE, 't3': 'E', 't4': LONGITUDE}
    frame, _ = frame_of_tags(monkeypatch, **tags, t16=reference, t17=heading)
    assert (frame.pose is not None) == is_known


def test_an_old_datum_is_not_taken_for_wgs84(monkeypatch) -> None:
    tags = {'t1': 'S', 't2': LATITUDE, 't3': 'E', 't4': LONGITUDE}
    for datum in ('TOKYO', 'NAD27', 'ED-50', 'OSGB36', 'Pulkovo 1942'):
        frame, reason = frame_of_tags(monkeypatch, **tags, t18=datum)
        assert frame.geo is None and datum in reason
    for datum in ('WGS-84', 'WGS84\0', 'GDA2020', 'unknown', ''):
        assert frame_of_tags(monkeypatch, **tags, t18=datum)[0].geo is not None


@pytest.mark.parametrize(('latitude', 'longitude'), [((95.0, 0.0, 0.0), LONGITUDE)])
def test_a_position_that_does_not_exist_costs_the_position_not_the_folder(
    monkeypatch, latitude, longitude
) -> None:
    frame, reason = frame_of_tags(monkeypatch, t1='S', t2=latitude, t3='E', t4=longitude)
    assert frame.geo is None and 'not within -90 .. 90 degrees' in reason


def test_a_photo_of_any_size_keeps_its_position(tmp_path: Path, monkeypatch) -> None:
    path = save_photo(tmp_path / 'a.jpg', lat_ref='S', lat=LATITUDE, lon_ref='E', lon=LONGITUDE)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
    assert photo_frame(path, 'a.jpg')[0].geo is not None


@pytest.mark.parametrize('suffix', ['.png', '.webp', '.tif'])
def test_other_formats_carry_positions_too(tmp_path: Path, suffix: str) -> None:
    tags = {'lat_ref': 'S', 'lat': LATITUDE, 'lon_ref': 'E', 'lon': LONGITUDE}
    path = save_photo(tmp_path / f'a{suffix}', **tags)
    assert photo_frame(path, 'a')[0].geo.latitude_deg == pytest.approx(-33.856667, abs=1e-6)


@pytest.mark.skipif(not has_heic_decoder(), reason='needs the extra `heic`')
def test_a_phone_photo_has_its_position_also_under_another_name(tmp_path: Path) -> None:
    import pillow_heif

    exif = Image.Exif()
    exif[0x8825] = {1: 'S', 2: LATITUDE, 3: 'E', 4: LONGITUDE}
    photo = pillow_heif.from_pillow(Image.fromarray(np.zeros((64, 64, 3), np.uint8)))
    for name in ('a.HEIC', 'b.jpg'):
        photo.save(tmp_path / name, format='HEIF', exif=exif.tobytes())
    frames = open_source(tmp_path).frames
    assert [frame.geo.latitude_deg for frame in frames] == pytest.approx([-33.856667] * 2)
    assert frames[0].load().shape == (64, 64, 3)


def test_damaged_tags_are_no_tags(tmp_path: Path) -> None:
    path = save_photo(tmp_path / 'a.jpg', lat_ref='S', lat=LATITUDE, lon_ref='E', lon=LONGITUDE)
    whole = path.read_bytes()
    start = whole.index(b'Exif')
    rng = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(whole)
        for place in rng.integers(start, start + 180, 4):
            data[place] = rng.integers(256)
        path.write_bytes(bytes(data))
        try:
            photo_frame(path, 'a.jpg')
        except SourceError as error:
            assert 'EXIF GPS' in str(error)


TAGS = {'t1': 'S', 't2': LATITUDE, 't3': 'E', 't4': LONGITUDE}


@pytest.mark.parametrize(
    ('tag', 'value', 'words'),
    [
        ('t9', 'V', 'GPSStatus V'),
        ('t11', 99.0, 'GPSDOP 99'),
        ('t31', 5000.0, 'stated error of 5000 m'),
        ('t18', 'GCJ-02', 'datum GCJ-02'),
        ('t2', (33.85, 51.0, 0.0), 'with a fraction and with minutes'),
    ],
)
def test_a_position_that_the_receiver_itself_doubts_is_not_taken(
    monkeypatch, tag: str, value: object, words: str
) -> None:
    frame, reason = frame_of_tags(monkeypatch, **(TAGS | {tag: value}))
    assert frame.geo is None and words in reason


@pytest.mark.parametrize(('tag', 'value'), [('t9', 'A'), ('t11', 1.5), ('t31', 4.8)])
def test_a_sure_position_is_taken(monkeypatch, tag: str, value: object) -> None:
    assert frame_of_tags(monkeypatch, **TAGS, **{tag: value})[0].geo is not None


def test_sixty_seconds_are_rounded_ones(monkeypatch) -> None:
    frame, _ = frame_of_tags(monkeypatch, **(TAGS | {'t2': (33.0, 50.0, 60.0)}))
    assert frame.geo.latitude_deg == pytest.approx(-33 - 51 / 60)


XMP = (
    b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description exif:GPSLatitude="33,51.42S" '
    b'exif:GPSAltitude="350/10"><exif:GPSLongitude>151,12,54E</exif:GPSLongitude>'
    b'</rdf:Description></x:xmpmeta>'
)


def with_segment(jpeg: bytes, content: bytes) -> bytes:
    return jpeg[:2] + b'\xff\xe1' + (len(content) + 2).to_bytes(2, 'big') + content + jpeg[2:]


def test_xmp_holds_the_position_that_exif_lacks(tmp_path: Path) -> None:
    (tmp_path / 'inside.jpg').write_bytes(with_segment(jpeg_bytes(), XMP))
    for name in ('beside', 'both'):
        (tmp_path / f'{name}.jpg').write_bytes(jpeg_bytes())
    (tmp_path / 'beside.xmp').write_bytes(XMP)
    (tmp_path / 'both.jpg.xmp').write_bytes(XMP)
    frames = open_source(tmp_path).frames
    found = [(f.geo.latitude_deg, f.geo.longitude_deg, f.geo.altitude_m) for f in frames]
    assert found == [pytest.approx((-33.857, 151.215, 35.0))] * 3


@pytest.mark.parametrize(
    'packet',
    [b'drone-dji:GpsLatitude="-33.857" drone-dji:GpsLongitude="+151.215"']
    + [b'drone-dji:GpsLatitude="-33.857" drone-dji:GpsLongtitude="151.215"']
    + [b'exif:GPSLatitude="33.857S" exif:GPSLongitude="151.215E"'],
)
def test_drones_and_programs_write_degrees_into_xmp(tmp_path: Path, packet: bytes) -> None:
    (tmp_path / '1.xmp').write_bytes(packet)
    geo = photo_frame(save_photo(tmp_path / '1.jpg'), '1.jpg')[0].geo
    assert geo is not None
    assert (geo.latitude_deg, geo.longitude_deg) == pytest.approx((-33.857, 151.215))


def test_xmp_without_a_hemisphere_is_told(tmp_path: Path) -> None:
    (tmp_path / '1.xmp').write_bytes(b'exif:GPSLatitude="33,51.42" exif:GPSLongitude="151,12.9"')
    frame, reason = photo_frame(save_photo(tmp_path / '1.jpg'), '1.jpg')
    assert frame.geo is None
    assert 'a latitude with no reference' in reason


def test_exif_goes_before_xmp_and_a_second_block_before_none(tmp_path: Path) -> None:
    tags = {'lat_ref': 'N', 'lat': (52.0, 0.0, 0.0), 'lon_ref': 'E', 'lon': (1.0, 0.0, 0.0)}
    data = save_photo(tmp_path / 'a.jpg', **tags).read_bytes()
    (tmp_path / 'a.jpg').write_bytes(with_segment(data, XMP))
    empty = b'Exif\0\0II*\0\x08\0\0\0' + bytes(6)
    (tmp_path / 'b.jpg').write_bytes(with_segment(data, empty))
    assert [f.geo.latitude_deg for f in open_source(tmp_path).frames] == [52.0, 52.0]


@pytest.mark.parametrize(
    ('day', 'is_known'), [('9999:12:31', False), ('2262:04:12', False), ('2262:04:10', True)]
)
def test_a_time_that_no_map_can_store_is_not_known(monkeypatch, day: str, is_known: bool) -> None:
    frame, _ = frame_of_tags(monkeypatch, **{'t7': (23.0, 59.0, 59.0), 't29': day})
    assert (frame.stamp_ns != UNKNOWN_STAMP_NS) == is_known
    assert frame.stamp_ns < 2**63
