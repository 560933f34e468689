"""Ground truth from TUM and CSV files, carried to the stamps of images."""

import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.sources.truth_file import read_trajectory, with_truth

TUM = '# a remark\n1.5 10 20 0 0 0 0 1\n\n2.5 12 24 0 0 0 0 1\n9 50 0 0 0 0 0 1\n'


def frame(stamp_s: float) -> Frame:
    return Frame('a', lambda: np.zeros((2, 2, 3), np.uint8), stamp_ns=round(stamp_s * 1e9))


def positions(text: str, tmp_path, *stamps_s: float, name: str = 'truth.txt'):
    path = tmp_path / name
    path.write_text(text)
    frames = with_truth([frame(s) for s in stamps_s], read_trajectory(path, max_gap_s=2.0))
    return [None if f.pose is None else f.pose.position_m[:2].tolist() for f in frames], frames


def test_tum_positions_are_interpolated_at_the_images(tmp_path):
    found, _ = positions(TUM, tmp_path, 1.5, 2.0, 2.5)
    assert found == [[10, 20], [11, 22], [12, 24]]


def test_no_position_across_a_gap_or_outside(tmp_path):
    found, frames = positions(TUM, tmp_path, 1.0, 5.0, 10.0)
    assert found == [None, None, None]
    assert all(frame.geo is None for frame in frames)


def test_a_table_with_degrees_gives_geographic_truth(tmp_path):
    text = 'stamp_s,latitude,longitude\n1.0,52,0\n2.0,52.002,0.004\n'
    _, frames = positions(text, tmp_path, 1.5, name='truth.csv')
    assert frames[0].geo.latitude_deg == pytest.approx(52.001)
    assert frames[0].geo.longitude_deg == pytest.approx(0.002)
    assert frames[0].pose is None


def test_a_table_keeps_nanoseconds(tmp_path):
    text = 'stamp_ns,x,y\n1700000000000000001,1,2\n'
    path = tmp_path / 'truth.csv'
    path.write_text(text)
    assert read_trajectory(path, 1.0).track.stamps_ns.tolist() == [1_700_000_000_000_000_001]


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('truth.txt', '1 2 3\n', 'row 1: expected `seconds x y z'),
        ('truth.txt', '', 'expected positions with stamps, found none'),
        ('truth.txt', '1 x 3 0 0 0 0 1\n', "row 1: expected finite numbers, found 'x'"),
        ('truth.txt', '\n1,5 2 3 0 0 0 0 1\n', 'row 2: .*write decimals with a point'),
        ('truth.txt', '1 2 3 0 0 0 0 1\n2 3\n', 'row 2: expected 8 numbers .* found 2'),
        ('truth.txt', '1 2 3 0 0 0 0 7\n', 'row 1: expected a unit quaternion'),
        ('truth.txt', '1700000000000000000 2 3 0 0 0 0 1\n', 'divide nanoseconds by 1e9'),
        ('truth.csv', '#t,x\n1,2,2\n', 'expected a header line, found only numbers'),
        ('truth.csv', 'x,y\n1,2\n', 'row 2: expected a stamp'),
        ('truth.csv', 'stamp_s\n1.5\n', 'row 2: expected a position'),
    ],
)
def test_a_bad_file_names_its_row(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=message):
        read_trajectory(tmp_path / name, 1.0)


def test_a_missing_file_is_a_source_error(tmp_path):
    with pytest.raises(SourceError, match='cannot be read'):
        read_trajectory(tmp_path / 'no.txt', 1.0)


def test_rows_without_a_position_are_gaps(tmp_path):
    text = 'stamp_s,latitude,longitude\n1,52,0\n2,,\n3,0,0\n4,52.003,0.003\n'
    (tmp_path / 'truth.csv').write_text(text)
    track = read_trajectory(tmp_path / 'truth.csv', max_gap_s=5.0).track
    assert track.stamps_ns.tolist() == [10**9, 4 * 10**9]


def test_truth_crosses_the_antimeridian(tmp_path):
    text = 'stamp_s,latitude,longitude\n1,-17,179.999\n2,-17,-179.997\n'
    _, frames = positions(text, tmp_path, 1.5, name='truth.csv')
    assert frames[0].geo.longitude_deg == pytest.approx(-179.999)


def test_a_trajectory_keeps_nanoseconds_and_may_begin_with_a_mark(tmp_path):
    path = tmp_path / 'truth.txt'
    path.write_text('\ufeff1700000000.123456789 1 2 3 0 0 0 1\n', encoding='utf-8')
    assert read_trajectory(path, 1.0).track.stamps_ns.tolist() == [1_700_000_000_123_456_789]
