"""Problems for the operator: every cause in a sentence with the next step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from ghost_vpr_ros.core.geodesy import WHY_NO_FIX
from ghost_vpr_ros.core.map.reader import MapReader
from ghost_vpr_ros.core.stamps import TWO_CLOCKS_S, span_text
from ghost_vpr_ros.ros.node_statistics import Recent

LOG_PERIOD_S = 5.0
"""The same complaint about images is logged at most this often."""

SILENT_S = 5.0
"""Time without an image after which the camera counts as stopped."""

AHEAD_S = 1.0
"""No image is taken so long after the moment at which it is there."""

_LOST_SHARE = 0.1
_UNKNOWN_NODE = '_NODE_NAME_UNKNOWN_'
"""Name that ROS gives to a node not yet discovered."""

OTHER_CLOCK_S = 3600.0
"""An image this much older than now was stamped by another clock, or comes from a bag."""


class Problem(NamedTuple):
    """A problem: a level of DiagnosticStatus, and a sentence."""

    level: bytes
    sentence: str


class Stamp(NamedTuple):
    """The stamp of a message, and its time of arrival on a steady clock, both in nanoseconds."""

    stamp_ns: int = 0
    received_ns: int = 0

    def apart_s(self, other: Stamp) -> float:
        """By how much their clocks differ; 0 where that is open: no stamp, or not received now."""
        between_ns = self.received_ns - other.received_ns
        if 0 in (self.stamp_ns, other.stamp_ns) or abs(between_ns) > TWO_CLOCKS_S * 1e9:
            return 0.0
        return abs(self.stamp_ns - other.stamp_ns - between_ns) / 1e9


_NOTHING_YET = Stamp()


@dataclass(frozen=True)
class Newest:
    """Stamps of the newest messages."""

    image: Stamp = _NOTHING_YET
    odometry: Stamp = _NOTHING_YET
    fix: Stamp = _NOTHING_YET


def summary(problems: Sequence[Problem]) -> Problem:
    """All problems as one: the highest level, with the most serious first; OK without any."""
    if not problems:
        return Problem(DiagnosticStatus.OK, 'answering')
    ordered = sorted(problems, key=lambda problem: problem.level, reverse=True)
    return Problem(ordered[0].level, '; '.join(problem.sentence for problem in ordered))


def problems_of_images(recent: Recent) -> list[Problem]:
    """Problems with the images of the last seconds."""
    return [*_failures(recent), *_losses(recent)]


def problems_of_positions(recent: Recent) -> list[Problem]:
    """Odometry or fixes of the last seconds without a valid position, or in several frames."""
    causes = (
        ('fixes', WHY_NO_FIX),
        ('odometry', 'no finite pose'),
    )
    found = [
        Problem(
            DiagnosticStatus.WARN,
            f'none of the {recent.counts[f"bad_{name}"]} messages of the {name} topic can be '
            f'used: {cause}',
        )
        for name, cause in causes
        if recent.counts[f'bad_{name}'] and not recent.counts[name]
    ]
    if recent.counts['odometry_frames']:
        found.append(Problem(DiagnosticStatus.WARN, recent.sentence('odometry_frames')))
    return found


def _failures(recent: Recent) -> Iterable[Problem]:
    answered = max(recent.answered, 1)
    if failed := recent.counts['failures']:
        text = f'{failed} of {answered} images failed: {recent.sentence("failures")}'
        yield Problem(DiagnosticStatus.ERROR, text)
    if refused := recent.counts['bad_images']:
        is_all = refused >= answered
        share = 'every image is' if is_all else f'{refused} of {answered} images are'
        level = DiagnosticStatus.ERROR if is_all else DiagnosticStatus.WARN
        yield Problem(level, f'{share} refused: {recent.sentence("bad_images")}')
    if empty := recent.counts['empty_images']:
        text = f'{empty} of {answered} images are unusable: {recent.sentence("empty_images")}'
        yield Problem(DiagnosticStatus.WARN, text)
    if changed := recent.counts['frame_changes']:
        text = f'{changed} of {answered} images are of another camera than the one before'
        yield Problem(DiagnosticStatus.WARN, f'{text}: {recent.sentence("frame_changes")}')
    if late := recent.counts['late_images']:
        text = f'{late} of {answered} images are late: {recent.sentence("late_images")}'
        yield Problem(DiagnosticStatus.WARN, text)


def _losses(recent: Recent) -> Iterable[Problem]:
    lost, received = recent.counts['lost'], recent.counts['received']
    if lost > _LOST_SHARE * (lost + received):
        yield Problem(
            DiagnosticStatus.WARN,
            f'{lost} of {lost + received} images were lost in transport: use the Fast DDS profile '
            'of this package (docs/node.md), compressed images, or a lower rate',
        )


def problems_of_clocks(
    newest: Newest, now_ns: int, *, is_simulated: bool, steady_ns: int | None = None
) -> list[Problem]:
    """A simulated clock that stands still, and streams that are stamped by different clocks.

    Args:
        newest: stamps of the newest messages.
        now_ns: by the node's clock.
        is_simulated: whether that is /clock.
        steady_ns: now by the clock of `Stamp.received_ns`; None: the image has just come.
    """
    found = []
    if is_simulated and now_ns == 0:
        sentence = (
            'the clock stands still: use_sim_time is set and nothing comes on /clock; play the '
            'bag with --clock, or set use_sim_time to false'
        )
        found.append(Problem(DiagnosticStatus.WARN, sentence))
    ahead_s = (newest.image.stamp_ns - now_ns) / 1e9
    if is_simulated and now_ns != 0 and ahead_s > AHEAD_S:
        sentence = (
            f'the images lie {span_text(ahead_s)} ahead of /clock, which stands still or runs '
            'behind: let one program stamp them and publish it, or set use_sim_time to false'
        )
        found.append(Problem(DiagnosticStatus.WARN, sentence))
    if newest.image.stamp_ns and not is_simulated:
        waited_s = 0.0 if steady_ns is None else (steady_ns - newest.image.received_ns) / 1e9
        found += _clock_of_camera(ahead_s + waited_s)
    for name, stamp in (('odometry', newest.odometry), ('fixes', newest.fix)):
        apart_s = stamp.apart_s(newest.image)
        if apart_s > TWO_CLOCKS_S:
            sentence = (
                f'the {name} {"lie" if name == "fixes" else "lies"} {span_text(apart_s)} from the '
                'images that come with it: let both drivers stamp by one clock'
            )
            found.append(Problem(DiagnosticStatus.WARN, sentence))
    return found


def _clock_of_camera(ahead_s: float) -> Iterable[Problem]:
    """Another clock than the node's; a bag that is played without its clock is no problem."""
    if ahead_s > AHEAD_S:
        sentence = (
            f'the images are stamped {span_text(ahead_s)} ahead of the clock of this machine: let '
            'the camera stamp by it, or synchronise the two'
        )
        yield Problem(DiagnosticStatus.WARN, sentence)
    if ahead_s < -OTHER_CLOCK_S:
        sentence = (
            f'the images are stamped {span_text(-ahead_s)} before now, by another clock or in a '
            'bag that is played without --clock: their ages are not computed'
        )
        yield Problem(DiagnosticStatus.OK, sentence)


def problems_of_map(place_map: MapReader) -> list[Problem]:
    """The map file was moved or replaced; the node still answers from the opened one."""
    change = place_map.change_of_file()
    if not change:
        return []
    sentence = f'{change}; answers are still those of the earlier map: configure the node again'
    return [Problem(DiagnosticStatus.WARN, sentence)]


def problems_of_topic(node: Node, subscription: Subscription, silent_s: float) -> list[Problem]:
    """Several publishers of images on one topic, or none that the node can receive.

    Args:
        node: that subscribes.
        subscription: to images.
        silent_s: since the last image, or since the subscription.
    """
    topic = subscription.topic_name
    publishers = node.get_publishers_info_by_topic(topic)
    found = _mixed(publishers, topic, 'images')
    if silent_s >= SILENT_S:
        seen = f'no image on {topic} for {silent_s:.0f} s'
        sentence = f'{seen}, {_why_silent(node, subscription, publishers)}'
        found.append(Problem(DiagnosticStatus.WARN, sentence))
    return found


def problems_of_helpers(node: Node, subscriptions: Sequence[Subscription]) -> list[Problem]:
    """Several publishers on one topic of odometry, fixes or intrinsics.

    Args:
        node: that subscribes.
        subscriptions: to these topics.
    """
    return [
        problem
        for topic in (subscription.topic_name for subscription in subscriptions)
        for problem in _mixed(node.get_publishers_info_by_topic(topic), topic, 'messages')
    ]


def _mixed(publishers: Sequence[TopicEndpointInfo], topic: str, what: str) -> list[Problem]:
    if len(publishers) < 2:
        return []
    names = ', '.join(sorted({_name(publisher) for publisher in publishers}))
    sentence = (
        f'{len(publishers)} publishers send {what} on {topic} ({names}), which mix; remap all but '
        'one'
    )
    return [Problem(DiagnosticStatus.WARN, sentence)]


def _why_silent(
    node: Node, subscription: Subscription, publishers: Sequence[TopicEndpointInfo]
) -> str:
    if not publishers:
        return f'0 publishers; {_where_images_are(node, subscription.topic_name)}'
    wanted = _type_text(subscription.msg_type)
    described = ', '.join(
        f'{_name(publisher)}: {publisher.topic_type}, {_qos_text(publisher.qos_profile)}'
        for publisher in publishers
    )
    seen = f'{len(publishers)} publishers ({described})'
    if all(publisher.topic_type != wanted for publisher in publishers):
        return f'{seen}; expected {wanted}: choose a topic of it with image_topic'
    own = subscription.qos_profile
    if any(_is_deaf(own, publisher.qos_profile) for publisher in publishers):
        return f'{seen}; this node requests {_qos_text(own)}: change one of them (qos_overrides)'
    return f'{seen}; does the camera run, and does its data cross the network?'


def _where_images_are(node: Node, topic: str) -> str:
    """A hint at the other transport of the topic, or at the remapping."""
    if topic.endswith('/compressed'):
        other, transport = topic.removesuffix('/compressed'), 'raw'
    else:
        other, transport = f'{topic}/compressed', 'compressed'
    if node.count_publishers(other):
        return f'images come on {other}: set image_transport to {transport}'
    return 'start the camera, or name its topic with image_topic'


def _is_deaf(own: QoSProfile, theirs: QoSProfile) -> bool:
    """Whether DDS cannot connect the two: the request exceeds the offer."""
    best_effort, volatile = ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE
    wants_all = own.reliability == ReliabilityPolicy.RELIABLE
    wants_past = own.durability == DurabilityPolicy.TRANSIENT_LOCAL
    unreliable = wants_all and theirs.reliability == best_effort
    return unreliable or (wants_past and theirs.durability == volatile)


def _type_text(kind: Any) -> str:
    return f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'


def _qos_text(profile: QoSProfile) -> str:
    reliability, durability = profile.reliability, profile.durability
    return f'{_policy(reliability)}, {_policy(durability)}'


def _policy(policy: Any) -> str:
    return str(policy.name).lower().replace('_', ' ')


def _name(publisher: TopicEndpointInfo) -> str:
    if publisher.node_name == _UNKNOWN_NODE:
        return 'a node that is not known yet'
    return f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}'
