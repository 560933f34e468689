"""Messages of SLAM systems, made from their real definitions.

These are stand-ins: rtabmap_msgs and pose_graph_tools_msgs come with a ROS installation or from
source, and have no wheels, so the real classes cannot exist where these tests run. A stand-in has
exactly the fields of the definition, refuses every other one, and is as strict about types as the
classes that ROS generates.
"""

import re
from array import array
from typing import ClassVar

import numpy as np
from geometry_msgs.msg import Pose, Transform
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

ADD_LINK_REQUEST = """
Link link
"""
LINK = """
int32 from_id
int32 to_id
int32 type
geometry_msgs/Transform transform
float64[36] information
"""
MAP_DATA = """
std_msgs/Header header
MapGraph graph
Node[] nodes
"""
NODE = """
int32 id
int32 map_id
int32 weight
float64 stamp
string label
geometry_msgs/Pose pose
"""
"""Without the words and sensor data of a node, which nothing here reads."""
GLOBAL_DESCRIPTOR = """
std_msgs/Header header
int32 type
uint8[] info
uint8[] data
"""
RGBD_IMAGE = """
std_msgs/Header header
sensor_msgs/CameraInfo rgb_camera_info
sensor_msgs/CameraInfo depth_camera_info
sensor_msgs/Image rgb
sensor_msgs/Image depth
sensor_msgs/CompressedImage rgb_compressed
sensor_msgs/CompressedImage depth_compressed
KeyPoint[] key_points
Point3f[] points
uint8[] descriptors
GlobalDescriptor global_descriptor
"""
POSE_GRAPH = """
std_msgs/Header header
pose_graph_tools_msgs/PoseGraphNode[] nodes
pose_graph_tools_msgs/PoseGraphEdge[] edges
"""
POSE_GRAPH_EDGE = """
std_msgs/Header header
uint64 key_from
uint64 key_to
int32 robot_from
int32 robot_to
int32 type
int32 ODOM      = 0
int32 LOOPCLOSE = 1
geometry_msgs/Pose pose
float64[36] covariance
"""

_LIMITS = {'int32': (-(2**31), 2**31 - 1), 'uint64': (0, 2**64 - 1)}
_TYPES = {
    'geometry_msgs/Pose': Pose,
    'geometry_msgs/Transform': Transform,
    'sensor_msgs/CameraInfo': CameraInfo,
    'sensor_msgs/CompressedImage': CompressedImage,
    'sensor_msgs/Image': Image,
    'std_msgs/Header': Header,
}


class StandIn:
    """A message whose class attribute `fields` maps names to types of the definition."""

    fields: ClassVar = {}

    def __init__(self):
        for name, kind in self.fields.items():
            object.__setattr__(self, name, _default(kind))

    def __setattr__(self, name, value):
        assert name in self.fields, f'{type(self).__name__} has no field {name}'
        _check(self.fields[name], value)
        object.__setattr__(self, name, value)


def make_message(name, definition, **constants):
    """The class of a definition; from now on others may name it as their field's type."""
    fields = {
        match[2]: match[1] for match in re.finditer(r'^(\S+) +(\w+)$', definition, re.MULTILINE)
    }
    made = type(name, (StandIn,), {'fields': fields, **constants})
    _TYPES[name] = made
    return made


def _default(kind):
    if kind in _LIMITS:
        return 0
    if kind == 'float64[36]':
        return np.zeros(36)
    if kind == 'uint8[]':
        return array('B')
    if kind.endswith('[]'):
        return []
    plain = {'float64': 0.0, 'string': ''}
    return plain[kind] if kind in plain else _TYPES.get(kind, object)()


def _check(kind, value):
    if kind in _LIMITS:
        low, high = _LIMITS[kind]
        assert type(value) is int and low <= value <= high, f'{kind}: {value!r}'
    elif kind == 'float64[36]':
        assert value.dtype == np.float64 and value.shape == (36,)
    elif kind == 'uint8[]':
        assert isinstance(value, array) and value.typecode == 'B'
    elif kind.endswith('[]'):
        assert isinstance(value, list)
    elif kind in _TYPES:
        assert isinstance(value, _TYPES[kind])


Link = make_message('Link', LINK)
AddLinkRequest = make_message('AddLinkRequest', ADD_LINK_REQUEST)
Node = make_message('Node', NODE)
MapData = make_message('MapData', MAP_DATA)
GlobalDescriptor = make_message('GlobalDescriptor', GLOBAL_DESCRIPTOR)
RGBDImage = make_message('RGBDImage', RGBD_IMAGE)
PoseGraph = make_message('PoseGraph', POSE_GRAPH)
PoseGraphEdge = make_message('PoseGraphEdge', POSE_GRAPH_EDGE, ODOM=0, LOOPCLOSE=1)


def map_data(**stamps_s):
    """`MapData` with nodes by name: `n7=1.5` is node 7 at 1.5 s."""
    message = MapData()
    for name, stamp_s in stamps_s.items():
        node = Node()
        node.id, node.stamp = int(name[1:]), stamp_s
        message.nodes = [*message.nodes, node]
    return message
