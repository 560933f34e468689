"""Built data sets: read again they are the same, and their source is never touched."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS, Frame
from ghost_vpr_ros.core.errors import ConfigError, SourceError
from ghost_vpr_ros.core.image import read_image
from ghost_vpr_ros.replay.places.place_set import NO_PLACE, PlaceSet
from ghost_vpr_ros.replay.places.relations import positives_of
from training.datasets.__main__ import main
from training.datasets.builders.build import BuildConfig, BuildSummary, build_sets
from training.datasets.builders.layouts import check_distinct, utm_path
from training.datasets.data_config import DataConfig
from training.datasets.open_place_set import open_place_set

HEADER = 'image,latitude,longitude,heading_deg,stamp_s,panorama,split,role,weather'


def source(folder: Path) -> Path:
    """Six photos of two parts, one of them query and database."""
    rows = [HEADER]
    roles = ['query', 'database', '', 'database', 'query', 'database']
    for number, role in enumerate(roles):
        split = 'test' if number < 4 else 'train'
        name = f'{"ab"[number % 2]}/photo {number}.png'
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image = np.full((6, 8, 3), 20 * number, np.uint8)
        image[0, 0] = 255
        assert cv2.imwrite(str(folder / name), image)
        place = f'{52 + number * 1e-4:.7f},0.1195771'
        rows.append(f'{name},{place},{45 * number},1700000000.5,P{number // 2},{split},{role},wet')
    (folder / 'manifest.csv').write_text('\n'.join(rows) + '\n')
    return folder


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of change of every file."""
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    return {str(f.relative_to(folder)): (f.read_bytes(), f.stat().st_mtime_ns) for f in files}


def opened(path: Path, split: str) -> PlaceSet:
    return open_place_set(DataConfig(path=(str(path),), split=split))


def described(places: PlaceSet) -> list[tuple]:
    """What has to survive, sorted by the pixels."""
    is_query = np.isin(np.arange(len(places)), places.queries)
    is_database = np.isin(np.arange(len(places)), places.database)
    return sorted(
        (
            int(places.frames[row].load()[3, 3, 0]),
            bool(is_query[row]),
            bool(is_database[row]),
            round(float(places.heading_deg[row])),
            places.frames[row].panorama,
        )
        for row in range(len(places))
    )


@pytest.mark.parametrize('mode', ['copy', 'link', 'index'])
def test_a_manifest_reads_as_its_source(tmp_path: Path, mode: str) -> None:
    old, new = source(tmp_path / 'old'), tmp_path / 'new'
    before = snapshot(old)
    assert main(['build', str(old), '--out', str(new), '--mode', mode]) == 0
    assert snapshot(old) == before
    for split in ('train', 'test'):
        places, again = opened(old, split), opened(new, split)
        assert described(places) == described(again)
        assert again.stamp_ns.tolist() == [1_700_000_000_500_000_000] * len(again)
        assert again.frames[0].attributes['weather'] == 'wet'
        offset_m = np.diff(again.positions_m, axis=0) - np.diff(places.positions_m, axis=0)
        assert np.abs(offset_m).max() < 1e-3


def test_utm_folders_hold_an_image_of_both_roles_twice(tmp_path: Path) -> None:
    old, new = source(tmp_path / 'old'), tmp_path / 'new'
    assert main(['build', str(old), '--out', str(new), '--layout', 'utm']) == 0
    places = opened(new, 'test')
    assert (len(places.queries), len(places.database)) == (2, 3)
    assert [row[0] for row in described(places)] == [0, 20, 40, 40, 60]
    assert {frame.panorama for frame in places.frames} == {'P0', 'P1'}
    # Photos 0, 1 | 2, 3 stand 11 m apart; those of one panorama are left out.
    assert positives_of(places, 12.0).counts().sum() == 1
    name = places.frames[0].name
    assert name.startswith('database/@') or name.startswith('queries/@')
    assert '@31@U@' in name


def test_links_share_the_file_and_copies_do_not(tmp_path: Path) -> None:
    old = source(tmp_path / 'old')
    for mode in ('link', 'copy'):
        assert main(['build', str(old), '--out', str(tmp_path / mode), '--mode', mode]) == 0
    photo = 'images/test/a/photo 0.png'
    assert (tmp_path / 'link' / photo).samefile(old / 'a/photo 0.png')
    assert not (tmp_path / 'copy' / photo).samefile(old / 'a/photo 0.png')


def test_links_across_file_systems_are_symbolic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, 'Invalid cross-device link')

    monkeypatch.setattr(os, 'link', refuse)
    old, new = source(tmp_path / 'old'), tmp_path / 'new'
    for _ in range(2):
        assert main(['build', str(old), '--out', str(new), '--mode', 'link']) == 0
    assert (new / 'images/test/a/photo 0.png').is_symlink()
    assert described(opened(new, 'test')) == described(opened(old, 'test'))


def test_an_interrupted_run_is_taken_up(tmp_path: Path) -> None:
    places, out = opened(source(tmp_path / 'old'), 'test'), tmp_path / 'new'
    seen: list[int] = []

    def stop_at_three(count: int) -> None:
        seen.append(count)
        if len(seen) == 3:
            raise KeyboardInterrupt

    config = BuildConfig()
    with pytest.raises(KeyboardInterrupt):
        build_sets({'test': places}, out, config, {}, stop_at_three)
    assert not (out / 'manifest.csv').exists()
    first = snapshot(out)
    assert build_sets({'test': places}, out, config, {}, len_one) == BuildSummary(1, 3)
    assert build_sets({'test': places}, out, config, {}, len_one) == BuildSummary(0, 4)
    assert {name: snapshot(out)[name] for name in first} == first


def len_one(count: int) -> None:
    assert count == 1


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_bytes(b'half')
        raise OSError(errno.ENOSPC, 'No space left on device')

    old, new = source(tmp_path / 'old'), tmp_path / 'new'
    before = snapshot(old)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, 'copyfile', full)
        assert main(['build', str(old), '--out', str(new)]) == 1
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert 'No space left on device' in error
    assert list(snapshot(new)) == ['build.json']
    assert snapshot(old) == before
    assert main(['build', str(old), '--out', str(new)]) == 0


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    old, new = source(tmp_path / 'old'), tmp_path / 'new'
    arguments = ['build', str(old), '--out', str(new)]
    assert main(arguments) == 0
    assert main([*arguments, '--layout', 'utm']) == 1
    assert 'other settings (layout)' in capsys.readouterr().err
    photo = new / 'images/test/a/photo 0.png'
    photo.write_bytes(b'mine')
    assert main(arguments) == 1
    assert 'exists already with other bytes' in capsys.readouterr().err
    assert photo.read_bytes() == b'mine'
    photo.unlink()
    assert main(arguments) == 0
    (new / 'manifest.csv').write_text('mine')
    assert main(arguments) == 1
    assert 'exists already with other rows' in capsys.readouterr().err
    other = tmp_path / 'other'
    other.mkdir()
    (other / 'diary.txt').write_text('precious')
    assert main(['build', str(old), '--out', str(other)]) == 1
    assert snapshot(other).keys() == {'diary.txt'}


def test_the_source_is_no_place_to_write_to(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    old = source(tmp_path / 'old')
    before = snapshot(old)
    assert main(['build', str(old), '--out', str(old / 'built')]) == 1
    assert 'inside the source' in capsys.readouterr().err
    assert snapshot(old) == before


def shown(count: int, **changes: object) -> PlaceSet:
    """Images that are not files, without degrees, as in a bag with odometry."""
    image = np.full((6, 8, 3), 90, np.uint8)
    places = PlaceSet(
        name='bag',
        frames=[Frame(f'/camera#{row}', lambda: image) for row in range(count)],
        positions_m=np.stack([-3.5 * np.arange(count), np.arange(count) * 1.0], axis=1),
        queries=np.arange(count),
        database=np.arange(count),
        panorama=np.full(count, NO_PLACE, np.int64),
        heading_deg=np.full(count, np.nan),
        stamp_ns=np.full(count, UNKNOWN_STAMP_NS, np.int64),
    )
    return replace(places, **changes)


@pytest.mark.parametrize('layout', ['csv', 'utm'])
def test_images_that_are_no_files_are_encoded(tmp_path: Path, layout: str) -> None:
    config = BuildConfig(layout=layout)
    times = 2 if layout == 'utm' else 1
    summary = build_sets({'': shown(3)}, tmp_path / 'new', config, {}, len_one)
    assert summary == BuildSummary(3 * times, 0)
    again = opened(tmp_path / 'new', '')
    assert np.ptp(again.positions_m, axis=0).tolist() == [7.0, 2.0]
    assert np.abs(again.frames[1].load().astype(int) - 90).max() <= 1
    # The twin of a query in the database folder is not a positive of it.
    assert positives_of(again, 1.0).counts().sum() == 0
    summary = build_sets({'': shown(3)}, tmp_path / 'new', config, {}, len_one)
    assert summary == BuildSummary(0, 3 * times)


def test_modes_that_cannot_be_had() -> None:
    with pytest.raises(ConfigError, match='use the layout csv, or the mode link'):
        BuildConfig(layout='utm', mode='index')
    with pytest.raises(ConfigError, match='index needs image files'):
        build_sets({'': shown(3)}, Path('new'), BuildConfig(mode='index'), {}, len_one)


def test_two_images_of_one_name_are_refused() -> None:
    with pytest.raises(SourceError, match='two images would get the path a'):
        check_distinct(['b', 'a', 'a'], 'out')


def test_an_utm_name_is_kept_unless_it_needs_a_panorama() -> None:
    name = '@584744.97@4476709.92@.jpg'
    places = shown(1, frames=[Frame(f'database/{name}', lambda: np.zeros((1, 1, 3), np.uint8))])
    assert str(utm_path(places, 0, is_both=False)) == name
    assert str(utm_path(places, 0, is_both=True)) != name


def test_views_of_panoramas_are_rendered(tmp_path: Path) -> None:
    folder, out = tmp_path / 'sides', tmp_path / 'views'
    folder.mkdir()
    rows = ['image,latitude,longitude,heading_deg,panorama,split,role']
    for number, role in ((0, 'query'), (1, 'database')):
        for side in range(4):
            name = f'{number}_{side}.png'
            grey = np.full((16, 16, 3), 50 * side + 20 * number, np.uint8)
            assert cv2.imwrite(str(folder / name), grey)
            rows.append(f'{name},{52 + number * 1e-4},0.1,{90 * side},{number},val,{role}')
    (folder / 'manifest.csv').write_text('\n'.join(rows) + '\n')
    arguments = ['render', str(folder), '--out', str(out), '--headings', '8']
    small = ['--width-px', '24', '--height-px', '16', '--pitches', '0', '5']
    assert main([*arguments, *small]) == 0
    assert main([*arguments, *small]) == 0
    assert main([*arguments, *small, '--fov-deg', '50']) == 1
    places = opened(out, 'val')
    assert (len(places.queries), len(places.database)) == (16, 16)
    assert sorted(set(places.heading_deg.round(3).tolist())) == [45.0 * n for n in range(8)]
    view = read_image(out / 'images/val/1_yaw090.0_pitch+05.0.jpg')
    assert view.shape == (16, 24, 3)
    assert np.abs(view.astype(int) - 70).max() <= 1
