"""Keyframes as rows of a shared map in a vector database, and back."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.core.datatypes import GeoPoint, Keyframe, Pose
from ghost_vpr_ros.core.fleet.sources import SharedSource
from ghost_vpr_ros.core.map.frame import MapFrame
from ghost_vpr_ros.core.map.schema import storable_text

if TYPE_CHECKING:
    from pymilvus import MilvusClient

ID, DESCRIPTOR = 'place_id', 'descriptor'
_TEXT_LENGTH = 4096
_GEO = ('latitude_deg', 'longitude_deg', 'altitude_m')
FIELDS = (ID, 'session', 'keyframe_id', 'stamp_ns', 'name', *_GEO, 'pose', 'digest')
"""All fields but the descriptor."""


def create_places(
    client: MilvusClient, collection: str, descriptor_dim: int, index_type: str
) -> None:
    """A new, empty collection of places."""
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(ID, DataType.INT64, is_primary=True)
    for name in ('session', 'name'):
        schema.add_field(name, DataType.VARCHAR, max_length=_TEXT_LENGTH)
    for name in ('keyframe_id', 'stamp_ns', 'digest'):
        schema.add_field(name, DataType.INT64)
    for name in _GEO:
        schema.add_field(name, DataType.DOUBLE, nullable=True)
    schema.add_field('pose', DataType.VARCHAR, max_length=_TEXT_LENGTH)
    schema.add_field(DESCRIPTOR, DataType.FLOAT_VECTOR, dim=descriptor_dim)
    index = client.prepare_index_params()
    index.add_index(DESCRIPTOR, index_type=index_type, metric_type='IP')
    # Strong consistency: published rows are visible to every later query.
    client.create_collection(
        collection, schema=schema, index_params=index, consistency_level='Strong'
    )


def row_of(
    source: SharedSource, keyframe: Keyframe, descriptor: NDArray[np.float32]
) -> dict[str, Any]:
    """The fields of one keyframe, without the descriptor; `digest` is of what never changes."""
    geo = keyframe.geo
    values = (None,) * 3 if geo is None else (geo.latitude_deg, geo.longitude_deg, geo.altitude_m)
    return {
        ID: source.place_id(keyframe.keyframe_id),
        'session': _short(source.title),
        'keyframe_id': keyframe.keyframe_id,
        'stamp_ns': keyframe.stamp_ns,
        'name': _short(keyframe.name),
        **dict(zip(_GEO, values, strict=True)),
        'pose': _pose_text(keyframe.pose),
        'digest': _digest(keyframe, descriptor),
    }


def keyframe_of(row: dict[str, Any], source: SharedSource, frame: MapFrame) -> Keyframe:
    """A row as a keyframe of the shared map, its pose in the shared map's frame."""
    geo = None if row[_GEO[0]] is None else GeoPoint(*(row[name] for name in _GEO))
    pose = _pose(row['pose'])
    if pose is not None and geo is not None and source.origin != frame.origin:
        pose = _moved(pose, geo, frame)
    return Keyframe(row[ID], row['session'], row['stamp_ns'], row['name'], pose, geo)


def _moved(pose: Pose, geo: GeoPoint, frame: MapFrame) -> Pose:
    """The pose about another origin.

    Its orientation is kept: east of two origins 10 km apart differs by a tenth of a degree.
    """
    if frame.local_frame is None:
        return pose
    return Pose(frame.local_frame.point_to_enu(geo), pose.quaternion_xyzw, pose.covariance)


def _short(text: str) -> str:
    """`text` as far as the field takes it; its limit counts bytes."""
    return storable_text(text).encode()[:_TEXT_LENGTH].decode(errors='ignore')


def _digest(keyframe: Keyframe, descriptor: NDArray[np.float32]) -> int:
    said = json.dumps([keyframe.stamp_ns, keyframe.name]).encode()
    values = np.ascontiguousarray(descriptor, dtype='<f4').tobytes()
    return int.from_bytes(hashlib.blake2b(said + values, digest_size=8).digest(), 'big') >> 1


def _pose_text(pose: Pose | None) -> str:
    if pose is None:
        return ''
    position = [None if math.isnan(value) else value for value in pose.position_m.tolist()]
    quaternion, covariance = pose.quaternion_xyzw, pose.covariance
    return json.dumps(
        {
            'position_m': position,
            'quaternion_xyzw': None if quaternion is None else quaternion.tolist(),
            'covariance': None if covariance is None else covariance.tolist(),
        }
    )


def _pose(text: str) -> Pose | None:
    if not text:
        return None
    values = json.loads(text)
    quaternion, covariance = values['quaternion_xyzw'], values['covariance']
    return Pose(
        np.array(values['position_m'], dtype=np.float64),
        None if quaternion is None else np.array(quaternion),
        None if covariance is None else np.array(covariance),
    )
