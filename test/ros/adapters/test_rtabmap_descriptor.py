"""Descriptors as RTAB-Map unpacks them.

The message is a stand-in made from the real definition: rtabmap_msgs has no wheel.
"""

import struct
import zlib

import numpy as np

from ghost_vpr_ros.ros.adapters.rtabmap_descriptor_node import compressed_row, write_descriptor
from ghost_vpr_ros.ros.conversions import header_at
from test.ros.adapters.stand_ins import GlobalDescriptor

DESCRIPTOR = np.array([0.6, -0.8, 0.0], np.float32)
CV_32F = 5


def unpacked(data):
    """What `rtabmap::uncompressData` reads: rows, columns and type are at the end."""
    rows, columns, kind = struct.unpack('=iii', data[-12:])
    assert kind == CV_32F
    return np.frombuffer(zlib.decompress(data[:-12]), np.float32).reshape(rows, columns)


def test_a_descriptor_is_a_row_that_comes_back():
    found = unpacked(compressed_row(DESCRIPTOR))
    assert found.shape == (1, 3)
    np.testing.assert_array_equal(found[0], DESCRIPTOR)


def test_the_message_states_that_the_dot_product_compares():
    message = GlobalDescriptor()
    write_descriptor(DESCRIPTOR, header_at(7, 'camera'), message)
    assert (message.type, message.header.frame_id, len(message.info)) == (1, 'camera', 0)
    np.testing.assert_array_equal(unpacked(message.data.tobytes())[0], DESCRIPTOR)
