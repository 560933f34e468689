"""A folder of photos: what is the user's, what is the system's, and what is of another kind."""

import os
from pathlib import Path

import pytest

from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.replay.sources import folder_scan, image_sources
from ghost_vpr_ros.replay.sources.folder_scan import scan_folder
from ghost_vpr_ros.replay.sources.image_sources import open_source
from test.replay.sources.photos import heic_start, jpeg_bytes, save_photo


def write(path: Path, data: bytes = b'x') -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names_in(folder: Path) -> list[str]:
    return [image.relative_to(folder).as_posix() for image in scan_folder(folder).images]


@pytest.fixture
def without_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (folder_scan, image_sources):
        monkeypatch.setattr(module, 'has_heic_decoder', lambda: False)


@pytest.mark.parametrize(
    'folder',
    ['@eaDir/1.jpg', '#recycle', '$RECYCLE.BIN', 'System Volume Information', 'lost+found']
    + ['__MACOSX', '.thumbnails', '@__thumb', '#snapshot', '@Recycle', '@Transcode', 'FOUND.001']
    + ['Network Trash Folder', 'Catalog Previews.lrdata', 'My.photoslibrary/resources/small'],
)
def test_folders_that_systems_make_are_passed_over(tmp_path: Path, folder: str) -> None:
    write(tmp_path / '1.jpg')
    write(tmp_path / 'day' / '2.jpg')
    write(tmp_path / folder / 'thumb.jpg')
    write(tmp_path / 'day' / folder / 'thumb.jpg')
    assert names_in(tmp_path) == ['1.jpg', 'day/2.jpg']


def test_files_that_systems_make_are_passed_over(tmp_path: Path) -> None:
    for name in (
        '1.jpg',
        '._1.jpg',
        '.DS_Store',
        'Thumbs.db',
        'desktop.ini',
        'SYNOPHOTO_THUMB.jpg',
    ):
        write(tmp_path / name)
    scan = scan_folder(tmp_path)
    assert [image.name for image in scan.images] == ['1.jpg']
    assert scan.remarks() == []


def test_a_folder_of_that_name_is_read_where_it_was_asked_for(tmp_path: Path) -> None:
    write(tmp_path / '#recycle' / '1.jpg')
    assert names_in(tmp_path / '#recycle') == ['1.jpg']


def test_links_are_followed_each_folder_once(tmp_path: Path) -> None:
    write(tmp_path / 'store' / 'monday' / '1.jpg')
    for number in range(2, 4):
        write(tmp_path / 'set' / 'own' / f'{number}.jpg')
    links = {'monday': '../store/monday', 'again': '../store/monday', 'loop': '.', 'up': '..'}
    links |= {'a_link_to_own': 'own', 'self': 'self', '4.jpg': 'own/2.jpg'}
    for name, target in links.items():
        (tmp_path / 'set' / name).symlink_to(target)
    found = names_in(tmp_path / 'set')
    assert sorted(name for name in found if 'own/' in name) == ['own/2.jpg', 'own/3.jpg']
    assert sum(name.endswith('1.jpg') for name in found) == 1
    assert '4.jpg' in found


def test_a_folder_of_links_alone_and_a_dangling_one(tmp_path: Path) -> None:
    write(tmp_path / 'store' / '1.jpg')
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set' / 'tuesday').symlink_to('../gone')
    (tmp_path / 'set' / 'monday').symlink_to('../store')
    source = open_source(tmp_path / 'set')
    assert [frame.name for frame in source.frames] == ['monday/1.jpg']
    (remark,) = source.notes
    assert 'tuesday is a link that leads nowhere' in remark


@pytest.mark.skipif(os.geteuid() == 0, reason='root reads every folder')
def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    write(tmp_path / '1.jpg')
    closed = write(tmp_path / 'closed' / '2.jpg').parent
    closed.chmod(0)
    try:
        (remark,) = scan_folder(tmp_path).remarks()
    finally:
        closed.chmod(0o700)
    assert 'closed cannot be read (Permission denied): left out' in remark


def test_what_never_ends_is_left_out_with_a_word(tmp_path: Path) -> None:
    write(tmp_path / '1.jpg', jpeg_bytes())
    for name in ('pipe.jpg', '1.xmp', '1.jpg.xmp', 'manifest.csv', 'metadata.yaml', 'a.mcap'):
        os.mkfifo(tmp_path / name)
    (tmp_path / 'zeros.png').symlink_to('/dev/zero')
    source = open_source(tmp_path)
    assert [frame.name for frame in source.frames] == ['1.jpg']
    assert [note.split(' is a ')[1] for note in source.notes] == [
        'pipe, a socket or a device: left out'
    ] * 2


def test_names_that_differ_in_capitals_alone_have_one_order(tmp_path: Path) -> None:
    for name in ('b.jpg', 'a.JPG', 'A.jpg', 'a.jpg', 'A.JPG'):
        write(tmp_path / name)
    assert names_in(tmp_path) == ['A.JPG', 'A.jpg', 'a.JPG', 'a.jpg', 'b.jpg']


def test_other_kinds_are_counted_with_the_next_step(tmp_path: Path, without_decoder) -> None:
    write(tmp_path / '1.jpg', jpeg_bytes())
    for name in ('a.HEIC', 'b.heic', 'c.heif', 'd.MOV', 'e.dng', 'f.pdf', 'notes.txt'):
        write(tmp_path / name)
    source = open_source(tmp_path)
    assert len(source) == 1
    assert source.notes[0].startswith('3 HEIC photos (.heic .heif .hif) left out; read them with')
    assert {remark.split(' (')[0] for remark in source.notes[1:]} == {
        '1 video',
        '1 raw photo',
        '1 document',
    }


def test_a_folder_of_other_kinds_alone_states_what_it_holds(
    tmp_path: Path, without_decoder
) -> None:
    write(tmp_path / 'a.HEIC', heic_start())
    with pytest.raises(
        SourceError, match=r'found none; .*; 1 HEIC photo .*pip install pillow-heif'
    ):
        open_source(tmp_path)


def test_heic_called_jpg_is_counted_as_what_it_is(tmp_path: Path, without_decoder) -> None:
    write(tmp_path / '1.jpg', jpeg_bytes())
    write(tmp_path / '2.jpg', heic_start())
    source = open_source(tmp_path)
    assert [frame.name for frame in source.frames] == ['1.jpg']
    assert source.notes[0].startswith('1 HEIC photo')


@pytest.mark.parametrize('name', [b'caf\xe9.jpg', b'two\nlines.jpg', b'a\t.jpg', b'\xff\xfe.jpg'])
def test_names_of_any_bytes_are_text_in_frames_and_still_found(tmp_path: Path, name) -> None:
    photo = save_photo(tmp_path / '1.jpg')
    photo.rename(tmp_path / os.fsdecode(name))
    (frame,) = open_source(tmp_path).frames
    assert frame.name.isprintable()
    assert frame.name.encode()
    assert frame.load().shape == (48, 64, 3)


def test_a_table_beside_the_photos_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    write(tmp_path / '1.jpg', jpeg_bytes())
    write(tmp_path / 'Manifest.CSV')
    (note,) = open_source(tmp_path).notes
    assert note.startswith('1 table (.csv .tsv .xlsx) left out; where they hold positions, name')


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('list.xlsx', 'found a spreadsheet; save it as CSV'),
        ('drive.MP4', 'found one of the videos; take single images out'),
        ('a.dng', 'found one of the raw photos; export them as JPEG'),
        ('photos.zip', 'found one of the archives; unpack them'),
    ],
)
def test_one_file_of_another_kind_is_named(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(SourceError, match=text):
        open_source(write(tmp_path / name))


def test_of_a_photo_library_the_originals_are_read(tmp_path: Path) -> None:
    for folder in ('originals/0', 'resources/derivatives', 'database'):
        write(tmp_path / 'My.photoslibrary' / folder / '1.jpg')
    assert names_in(tmp_path) == ['My.photoslibrary/originals/0/1.jpg']
