"""A JPEG is whole where further data change nothing; an end marker proves nothing."""

import cv2
import numpy as np
import pytest

from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.core.image import decode_compressed, encode_jpeg
from ghost_vpr_ros.core.jpeg import MOST_SCANS, count_scans

END = b'\xff\xd9'


def scene(height: int = 120, width: int = 160) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 255, (15, 20, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height))


WHOLE = encode_jpeg(scene())


@pytest.mark.parametrize('padding', [b'', bytes(1), bytes(200), b'\xff' * 30, END + bytes(99)])
def test_a_whole_jpeg_may_lack_its_end_or_be_padded(padding: bytes) -> None:
    found = decode_compressed(WHOLE[:-2] + padding, 'camera')
    assert np.array_equal(found, decode_compressed(WHOLE, 'whole'))


@pytest.mark.parametrize('share', [0.2, 0.5, 0.9])
@pytest.mark.parametrize('end', [b'', END, bytes(3000)], ids=['none', 'marker', 'zeros'])
def test_half_a_picture_is_refused_whatever_stands_at_its_end(share: float, end: bytes) -> None:
    with pytest.raises(ImageError, match='frame 7: the JPEG is truncated'):
        decode_compressed(WHOLE[: int(share * len(WHOLE))] + end, 'frame 7')


def test_grey_that_the_camera_saw_is_no_damage() -> None:
    image = scene()
    image[80:] = 128
    assert decode_compressed(encode_jpeg(image, 95), 'bar').shape == (120, 160, 3)
    assert decode_compressed(encode_jpeg(np.full_like(image, 128)), 'wall')[0, 0, 0] == 128


def test_a_progressive_jpeg_without_its_end_is_refused() -> None:
    data = cv2.imencode('.jpg', scene(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert count_scans(data) > 1
    assert decode_compressed(data, 'whole').shape == (120, 160, 3)
    with pytest.raises(ImageError, match='truncated'):
        decode_compressed(data[:-2], 'cut')


def test_scans_without_number_are_refused_before_they_are_decoded() -> None:
    scan = WHOLE.index(b'\xff\xda')
    many = WHOLE[:-2] + WHOLE[scan : scan + 14] * (MOST_SCANS + 1) + END
    with pytest.raises(ImageError, match=f'expected at most {MOST_SCANS}'):
        decode_compressed(many, 'bomb')
