"""A bag becomes frames: images of one topic with positions of another, in order of their stamps.

The pose of a position message counts as that of the camera's body: a camera's offset on the robot
is only known, and only applied, where the position comes from TF.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.datatypes import Frame, Pose, ScalableLoad
from ghost_vpr_ros.core.errors import BagError
from ghost_vpr_ros.core.geodesy import WHY_NO_FIX
from ghost_vpr_ros.core.stamps import jumps_before, span_text
from ghost_vpr_ros.replay.bags.file import BagFile, Topic
from ghost_vpr_ros.replay.bags.images import COMPRESSED_IMAGE_TYPE, IMAGE_TYPE, BagImages
from ghost_vpr_ros.replay.bags.pose_messages import (
    FIX_TYPE,
    ODOMETRY_TYPE,
    POSE_TYPE,
    POSE_WITH_COVARIANCE_TYPE,
    TF_TYPES,
    degrees_of_fix,
    geo_of_degrees,
    header_stamp,
    pose_of_message,
    stamp_of,
)
from ghost_vpr_ros.replay.bags.position_notes import Stream, clock_note, gap_note
from ghost_vpr_ros.replay.bags.position_track import make_tracks
from ghost_vpr_ros.replay.bags.stream_notes import camera_notes, sound_positions, usual_frame
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.bags.transform_tree import TransformTree

IMAGE_TYPES = (IMAGE_TYPE, COMPRESSED_IMAGE_TYPE)
POSE_TYPES = (POSE_TYPE, POSE_WITH_COVARIANCE_TYPE)
POSITION_TIERS = ((FIX_TYPE,), POSE_TYPES, (ODOMETRY_TYPE,), TF_TYPES)
"""Types of position topics; an earlier tier is preferred when none is named."""

VIDEO_TYPES = (
    'ffmpeg_image_transport_msgs/msg/FFMPEGPacket',
    'theora_image_transport/msg/Packet',
    'foxglove_msgs/msg/CompressedVideo',
)
"""Images that only those before them explain."""

NO_POSITION = 'none'

_TRUTH_NAMES = ('ground_truth', 'groundtruth')

PoseAt = Callable[[int, int], Pose | None]
"""The pose at a stamp, and how often the clock had been set back before it."""


def bag_frames(
    path: Path,
    topics: BagTopics,
    *,
    as_recorded: bool = False,
    image_config: ImageConfig | None = None,
    notes: list[str] | None = None,
) -> list[Frame]:
    """Frames in order of header stamps; pixels are read from the bag on demand.

    Args:
        path: the bag.
        topics: which of its topics are read.
        as_recorded: in order of recording instead, late images and all.
        image_config: how large a compressed image may be.
        notes: gets a sentence for files that are left out, and one where no image has a position
            although there are some.

    Raises:
        BagError: missing, damaged, no such topic, several topics to choose from (each is named as
            a ready option), no message, or no TF chain to the camera.
    """
    bag = BagFile(path)
    image_topic = _image_topic(bag, topics.image_topic)
    stamps, log_times, cameras = _image_index(bag, image_topic)
    frame_id = next((name for name in cameras if name), '')
    images = BagImages(bag, image_topic.name, log_times, image_config)
    position_topic = position_topic_of(bag, topics.position_topic)
    is_fix = position_topic is not None and position_topic.msgtype == FIX_TYPE
    remarks = [*bag.remarks(), *camera_notes(image_topic.name, stamps, cameras)]
    stamped = _stamped(bag, position_topic, remarks)
    pose_at = _pose_source(bag, position_topic, stamped, topics, frame_id, remarks)
    jumps = jumps_before(stamps)
    poses = [pose_at(stamp_ns, count) for stamp_ns, count in zip(stamps, jumps, strict=True)]
    ordered = range(len(stamps)) if as_recorded else np.argsort(np.array(stamps), kind='stable')
    streams = Stream(stamps, log_times), stamped
    remarks += _position_remarks(bag, position_topic, topics, *streams, poses)
    if notes is not None:
        notes += remarks
    return [
        Frame(
            name=f'{image_topic.name}[{number}]',
            load=ScalableLoad(partial(images.load, number)),
            stamp_ns=stamps[number],
            **_position(poses[number], is_fix=is_fix),
        )
        for number in map(int, ordered)
    ]


def _position(pose: Pose | None, *, is_fix: bool) -> dict[str, Any]:
    """The arguments of a frame for its position."""
    if pose is None:
        return {}
    return {'geo': geo_of_degrees(pose)} if is_fix else {'pose': pose}


def _position_remarks(
    bag: BagFile,
    topic: Topic | None,
    topics: BagTopics,
    images: Stream,
    stamped: Sequence[Stamped],
    poses: Sequence[Pose | None],
) -> list[str]:
    """Sentences on images without a position, and on positions of another clock."""
    is_located = [pose is not None for pose in poses]
    if topic is None:
        return []
    if not any(is_located):
        return [_why_unlocated(bag, topic, stamped, topics, images.stamps_ns)]
    if not stamped:
        return []
    there = Stream([each.stamp_ns for each in stamped], [each.log_ns for each in stamped])
    found = (
        gap_note(images, is_located, there, topics.max_gap_s),
        clock_note(images, is_located, there),
    )
    return [f'{bag.path}: {topic.name}: {text}' for text in found if text]


def _why_unlocated(
    bag: BagFile,
    topic: Topic,
    stamped: Sequence[Stamped],
    topics: BagTopics,
    stamps_ns: Sequence[int],
) -> str:
    """Why no image has a position, with the next step."""
    if topic.msgtype in TF_TYPES and not _tf_moves(bag):
        return (
            f'{bag.path}: no image has a position: the bag holds no fix, pose or odometry, and of '
            'transforms static ones alone'
        )
    if topic.msgtype in TF_TYPES:
        return (
            f'{bag.path}: no image has a position: {topic.name} does not lead from the frame '
            f'{topics.map_frame!r} to the camera; set --map-frame and --camera-frame'
        )
    there_ns = [each.stamp_ns for each in stamped]
    apart_s = max(min(there_ns) - max(stamps_ns), min(stamps_ns) - max(there_ns), 0) / 1e9
    cause = (
        f'its messages lie {span_text(apart_s)} from the images; let both drivers stamp by one '
        'clock, or give --ground-truth'
        if apart_s > 0.0
        else 'its messages lie too far from the images (max_gap_s)'
    )
    return f'{bag.path}: no image has a position from {topic.name}: {cause}'


def _tf_moves(bag: BagFile) -> bool:
    """Whether there is any TF besides static transforms."""
    topics = [topic for topic in bag.topics() if topic.msgtype in TF_TYPES]
    return any(not topic.name.endswith('tf_static') for topic in topics)


def _image_topic(bag: BagFile, wanted: str) -> Topic:
    fitting = [topic for topic in bag.topics() if topic.msgtype in IMAGE_TYPES]
    filled = [topic for topic in fitting if topic.count > 0]
    if wanted:
        return _wanted(bag, wanted, filled, 'image')
    if len(filled) == 1:
        return filled[0]
    if filled:
        raise BagError(
            f'{bag.path}: {len(filled)} topics hold images; choose one with '
            f'{_options(filled, "image")}'
        )
    raise BagError(
        f'{bag.path}: expected a topic with messages of type Image or CompressedImage, found '
        f'{_inventory(bag)}'
    )


def position_topic_of(bag: BagFile, wanted: str) -> Topic | None:
    """The topic that positions come from; None where there is none or none is requested.

    Args:
        bag: an open bag.
        wanted: its name; empty: the only one of the best type.

    Raises:
        BagError: no such topic, or several to choose from.
    """
    if wanted == NO_POSITION:
        return None
    filled = [topic for topic in bag.topics() if topic.count > 0]
    if wanted:
        known = [t for t in filled if any(t.msgtype in tier for tier in POSITION_TIERS)]
        return _wanted(bag, wanted, known, 'position')
    for tier in POSITION_TIERS:
        fitting = [topic for topic in filled if topic.msgtype in tier]
        if len(fitting) > 1 and tier is not TF_TYPES:
            raise BagError(
                f'{bag.path}: {len(fitting)} topics hold positions; choose one with '
                f'{_options(fitting, "position")} or --position-topic {NO_POSITION}'
            )
        if fitting:
            return fitting[0]
    return None


def ground_truth_topic_of(bag: BagFile) -> Topic | None:
    """The only topic of poses whose name marks them as ground truth, or None.

    A simulator or a motion capture system writes it in addition to the robot's own sensors.
    """
    found = [
        topic
        for topic in bag.topics()
        if topic.count > 0
        and topic.msgtype in (*POSE_TYPES, ODOMETRY_TYPE)
        and any(name in topic.name.lower() for name in _TRUTH_NAMES)
    ]
    return found[0] if len(found) == 1 else None


def _wanted(bag: BagFile, wanted: str, fitting: Sequence[Topic], role: str) -> Topic:
    for topic in fitting:
        if topic.name.lstrip('/') == wanted.lstrip('/'):
            return topic
    choice = f'choose {_options(fitting, role)}' if fitting else f'it holds {_inventory(bag)}'
    for topic in bag.topics():
        if topic.name.lstrip('/') == wanted.lstrip('/'):
            raise BagError(
                f'{bag.path}: {wanted} cannot serve as {role} topic, it holds {topic.count} '
                f'messages of type {topic.msgtype}{_video_hint([topic])}; {choice}'
            )
    raise BagError(f'{bag.path}: there is no topic {wanted}; {choice}')


def _options(topics: Sequence[Topic], role: str) -> str:
    return ' or '.join(f'--{role}-topic {topic.name}' for topic in topics)


def _inventory(bag: BagFile) -> str:
    topics = [f'{t.name} ({t.msgtype}, {t.count} messages)' for t in bag.topics()]
    return (', '.join(topics) or 'no topic at all') + _video_hint(bag.topics())


def _video_hint(topics: Sequence[Topic]) -> str:
    """How to use a video among the topics; empty without one."""
    names = [topic.name for topic in topics if topic.msgtype in VIDEO_TYPES]
    if not names:
        return ''
    return (
        f'; {names[0]} is video, not one picture a message: record the JPEG topic of the camera, '
        'or decode it with `ros2 run image_transport republish` and record the raw topic'
    )


def _image_index(bag: BagFile, topic: Topic) -> tuple[list[int], list[int], list[str]]:
    """Header stamp, time of recording, and frame of each image."""
    stamps, log_times, cameras = [], [], []
    for message in bag.messages([topic.name]):
        header = message.content.header
        cameras.append(header.frame_id)
        stamps.append(header_stamp(header))
        log_times.append(message.log_ns)
    if len(stamps) != topic.count:
        raise BagError(
            f'{bag.path}: expected {topic.count} messages on {topic.name}, found {len(stamps)}; '
            f'the index is stale, try `ros2 bag reindex {bag.path}`'
        )
    return _stamps_filled_in(stamps, log_times), log_times, cameras


def _stamps_filled_in(stamps: list[int], log_times: list[int]) -> list[int]:
    """Stamps; those that are not set follow from the time of recording, in the same clock."""
    both = list(zip(stamps, log_times, strict=True))
    delays = [log_ns - stamp_ns for stamp_ns, log_ns in both if stamp_ns != 0]
    delay_ns = statistics.median_low(delays) if delays else 0
    return [stamp_ns or log_ns - delay_ns for stamp_ns, log_ns in both]


def _pose_source(
    bag: BagFile,
    topic: Topic | None,
    stamped: Sequence[Stamped],
    topics: BagTopics,
    frame_id: str,
    remarks: list[str],
) -> PoseAt:
    """The function that gives the pose (or degrees of a fix) of an image.

    TF that was not requested and does not lead to the camera is no error, but no position either.
    """
    if topic is None:
        return lambda stamp_ns, jumps: None
    if topic.msgtype in TF_TYPES:
        return _transform_source(bag, topics, (topics.camera_frame or frame_id).lstrip('/'))
    is_geo = topic.msgtype == FIX_TYPE
    if not stamped:
        cause = f' ({WHY_NO_FIX})' if is_geo else ''
        raise BagError(
            f'{bag.path}: none of the {topic.count} messages on {topic.name} holds a valid '
            f'position{cause}; choose another topic or --position-topic {NO_POSITION}'
        )
    poses = [(each.stamp_ns, each.pose) for each in stamped]
    sound, notes = sound_positions(topic.name, poses, is_geo=is_geo)
    remarks += notes
    return make_tracks(sound, topics.max_gap_s, topics.max_hold_s, is_geo=is_geo).at


class Stamped(NamedTuple):
    """A valid position: stamp, time of recording, pose or degrees of a fix, and their frame."""

    stamp_ns: int
    log_ns: int
    pose: Pose
    frame: str


def _stamped(bag: BagFile, topic: Topic | None, remarks: list[str]) -> list[Stamped]:
    """The valid positions of a topic in order of recording; none of TF, which has many streams.

    Poses in another frame than most are left out, with a remark.
    """
    stamped: list[Stamped] = []
    if topic is None or topic.msgtype in TF_TYPES:
        return stamped
    for message in bag.messages([topic.name]):
        content = message.content
        is_fix = topic.msgtype == FIX_TYPE
        pose = degrees_of_fix(content) if is_fix else pose_of_message(content, topic.msgtype)
        if pose is not None:
            stamp_ns = stamp_of(content.header, message.log_ns)
            # A fix is in degrees, whatever the frame of its antenna is called.
            frame = '' if is_fix else content.header.frame_id.lstrip('/')
            stamped.append(Stamped(stamp_ns, message.log_ns, pose, frame))
    frame, notes = usual_frame(topic.name, [each.frame for each in stamped])
    remarks += notes
    return [each for each in stamped if each.frame == frame]


def _transform_source(bag: BagFile, topics: BagTopics, camera_frame: str) -> PoseAt:
    tree = TransformTree()
    names = [topic.name for topic in bag.topics() if topic.msgtype in TF_TYPES]
    for message in bag.messages(names):
        tree.add(message.content, is_static=message.topic.endswith('tf_static'))
    map_frame = topics.map_frame.lstrip('/')
    chain = tree.chain(map_frame, camera_frame, topics.max_gap_s, topics.max_hold_s)
    if chain is None and not topics.position_topic:
        return lambda stamp_ns, jumps: None
    if chain is None:
        raise BagError(
            f'{bag.path}: no TF chain from {topics.map_frame} to {camera_frame}, found the frames '
            f'{", ".join(tree.frames())}; set --map-frame and --camera-frame, or use '
            f'--position-topic {NO_POSITION}'
        )
    return chain.at
