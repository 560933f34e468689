"""Images without contrast are noticed when they are read."""

import numpy as np

from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.replay.sources.plain_images import PlainImages


def frame(name: str, low: int, high: int) -> Frame:
    image = np.full((48, 64, 3), low, np.uint8)
    image[:, 32:] = high
    return Frame(name, lambda: image)


def test_a_lens_cap_and_a_white_out_are_named_once() -> None:
    plain = PlainImages()
    frames = [frame('cap', 0, 2), frame('street', 20, 200), frame('snow', 255, 254)]
    watched = plain.watched(frames)
    for _ in range(2):
        assert [each.load()[0, 0, 0] for each in watched] == [0, 20, 255]
    assert plain.names == ['cap', 'snow']
    assert plain.remark(3).startswith('2 images (cap, snow) of 3 nearly of one colour')
