"""Images of folders, videos and cameras come in order, with stamps that ascend."""

import os

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core import image_stream
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.image_stream import _newest_of, is_camera, list_images, stream_images

FPS = 10.0


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    """Two seconds of a grey that rises by ten with each frame."""
    path = tmp_path_factory.mktemp('video') / 'drive.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), FPS, (64, 48))
    for number in range(20):
        writer.write(np.full((48, 64, 3), 10 * number, np.uint8))
    writer.release()
    return path


def test_a_folder_comes_in_the_order_of_its_names(tmp_path):
    for name, grey in (('b.jpg', 200), ('a.jpg', 10)):
        (tmp_path / name).write_bytes(encode_jpeg(np.full((8, 8, 3), grey, np.uint8)))
    images = list(stream_images(str(tmp_path), 2.0))
    assert [image.name for image in images] == ['a.jpg', 'b.jpg']
    assert [image.stamp_ns for image in images] == [10**9, 15 * 10**8]
    assert images[1].load()[0, 0, 0] == pytest.approx(200, abs=3)


def test_what_never_ends_is_not_listed(tmp_path):
    (tmp_path / '1.jpg').touch()
    os.mkfifo(tmp_path / '2.jpg')
    assert [path.name for path in list_images(str(tmp_path))] == ['1.jpg']


def test_images_are_listed_in_the_order_of_their_names(tmp_path):
    for name in ('10.png', '9.JPG', 'notes.txt', 'c.jpeg', '._9.JPG', 'd.HEIC'):
        (tmp_path / name).touch()
    found = [path.name for path in list_images(str(tmp_path))]
    assert found == ['9.JPG', '10.png', 'c.jpeg', 'd.HEIC']


def test_a_name_of_any_bytes_is_text(tmp_path):
    (tmp_path / os.fsdecode(b'caf\xe9.jpg')).write_bytes(
        encode_jpeg(np.full((8, 8, 3), 9, np.uint8))
    )
    (image,) = stream_images(str(tmp_path), 1.0)
    assert image.name == 'caf\\xe9.jpg'
    assert image.load().shape == (8, 8, 3)


@pytest.mark.parametrize(('rate_hz', 'numbers'), [(2.0, [0, 5, 10, 15]), (100.0, range(20))])
def test_a_video_is_thinned_out_by_its_own_time(video, rate_hz, numbers):
    images = list(stream_images(str(video), rate_hz))
    assert [image.name for image in images] == [f'drive.avi[{n}]' for n in numbers]
    assert [image.stamp_ns for image in images] == [10**9 + n * 10**8 for n in numbers]
    for image, number in zip(images, numbers, strict=True):
        assert image.load().mean() == pytest.approx(10 * number, abs=4)


def test_a_camera_gives_its_newest_picture_until_it_is_gone(video):
    """Read like a camera, the video is over at once: its last frame is the newest one."""
    images = list(_newest_of(cv2.VideoCapture(str(video)), '0', 1000.0))
    assert images and images[0].load().shape == (48, 64, 3)
    stamps = [image.stamp_ns for image in images]
    assert stamps == sorted(stamps)


def test_cameras_are_told_by_their_names():
    assert is_camera('/dev/video0') and is_camera('2')
    assert not is_camera('drive.mp4')


@pytest.mark.parametrize('source', ['', '/missing', '/dev/video99'])
def test_a_source_that_is_missing_is_refused(source):
    with pytest.raises(SourceError, match=r'expected a .*found'):
        stream_images(source, 1.0)


def test_files_and_folders_without_images_are_refused(tmp_path):
    with pytest.raises(SourceError, match='expected images'):
        stream_images(str(tmp_path), 1.0)
    text = tmp_path / 'notes.txt'
    text.write_text('no video')
    with pytest.raises(SourceError, match=r'notes.txt: expected a video .*; name a video'):
        stream_images(str(text), 1.0)


def test_a_camera_without_pictures_is_refused(monkeypatch):
    monkeypatch.setattr(image_stream, '_read', lambda capture: None)
    with pytest.raises(SourceError, match='0: expected pictures of this camera, found none'):
        list(_newest_of(cv2.VideoCapture(), '0', 1.0))
