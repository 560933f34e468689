"""Every problem for the operator, and its sentence."""

import itertools
from collections import Counter
from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from ghost_vpr_ros.core.datatypes import Hypothesis, Reason, State
from ghost_vpr_ros.ros.health import (
    Newest,
    Problem,
    Stamp,
    problems_of_clocks,
    problems_of_helpers,
    problems_of_images,
    problems_of_map,
    problems_of_positions,
    problems_of_topic,
    summary,
)
from ghost_vpr_ros.ros.node_statistics import Recent, Statistics

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
S, DAY = 10**9, 86_400 * 10**9


def seen(frames: int, **complaints: int) -> Problem:
    """The report on some seconds with these numbers of frames and complaints."""
    statistics = Statistics(now_s=itertools.count().__next__)
    statistics.values()
    statistics.count('received', frames)
    for _ in range(frames):
        statistics.add_answer(Hypothesis(0, State.REJECTED, Reason.FAILURE), 5.0)
    for event, number in complaints.items():
        for _ in range(number):
            statistics.complain(event, f'sentence on {event}')
    statistics.values()
    return summary(problems_of_images(statistics.recent))


@pytest.mark.parametrize(
    ('complaints', 'level', 'text'),
    [
        ({}, OK, 'answering'),
        ({'bad_images': 10}, ERROR, 'every image is refused: sentence on bad_images'),
        ({'bad_images': 2}, WARN, '2 of 10 images are refused: sentence on bad_images'),
        ({'failures': 10}, ERROR, '10 of 10 images failed: sentence on failures'),
        ({'empty_images': 3}, WARN, '3 of 10 images are unusable'),
        ({'late_images': 1}, WARN, '1 of 10 images are late'),
        ({'frame_changes': 2}, WARN, '2 of 10 images are of another camera than the one before'),
        ({'lost': 35}, WARN, '35 of 45 images were lost in transport'),
        ({'lost': 1}, OK, 'answering'),
    ],
)
def test_what_happened_to_the_images_is_said(complaints, level, text) -> None:
    found = seen(10, **complaints)
    assert found.level == level
    assert text in found.sentence


def test_what_is_over_is_not_said_for_ever() -> None:
    statistics = Statistics(now_s=itertools.count().__next__)
    statistics.complain('bad_images', 'nv99')
    for _ in range(10):
        statistics.values()
    assert problems_of_images(statistics.recent) == []


def test_the_most_serious_comes_first() -> None:
    found = summary([Problem(WARN, 'late'), Problem(ERROR, 'refused')])
    assert found == (ERROR, 'refused; late')


@pytest.mark.parametrize(
    ('newest', 'now_ns', 'is_simulated', 'text'),
    [
        (Newest(), 0, True, 'the clock stands still'),
        (Newest(Stamp(5), Stamp(5), Stamp(5)), 5, True, ''),
        (Newest(Stamp(9 * S)), 5 * S, True, 'the images lie 4 s ahead of /clock'),
        (Newest(Stamp(9 * S)), 5 * S, False, 'are stamped 4 s ahead of the clock of this machine'),
        (Newest(Stamp(9 * S)), 3000 * S, False, ''),
        (Newest(Stamp(DAY)), 3 * DAY, False, 'the images are stamped 2 days before now'),
        (Newest(Stamp(DAY)), 3 * DAY, True, ''),
        (Newest(), 0, False, ''),
        (Newest(Stamp(5), fix=Stamp(9 * DAY)), 5, False, 'the fixes lie 9 days from the images'),
        (Newest(Stamp(5), Stamp(19724 * DAY)), 5, False, 'the odometry lies 54 years from'),
        (Newest(Stamp(DAY), fix=Stamp(DAY + 18 * S)), DAY, False, 'the fixes lie 18 s from'),
        (Newest(Stamp(DAY, S), fix=Stamp(DAY + S, 2 * S)), DAY, False, ''),
        (Newest(Stamp(DAY, S), Stamp(2 * DAY, DAY)), DAY, False, ''),
    ],
)
def test_clocks_that_do_not_fit_are_told(newest, now_ns, is_simulated, text) -> None:
    found = problems_of_clocks(newest, now_ns, is_simulated=is_simulated)
    assert text in summary(found).sentence
    assert len(found) == bool(text)


def test_a_camera_that_has_stopped_says_nothing_about_clocks() -> None:
    newest = Newest(Stamp(9 * DAY, S), Stamp(10 * DAY, DAY + S))
    assert problems_of_clocks(newest, 10 * DAY, is_simulated=False, steady_ns=DAY + S) == []


def test_an_old_stamp_is_no_fault_but_one_of_the_future_is() -> None:
    (old,) = problems_of_clocks(Newest(Stamp(S)), 3 * DAY, is_simulated=False)
    (future,) = problems_of_clocks(Newest(Stamp(3 * DAY)), DAY, is_simulated=False)
    assert (old.level, future.level) == (OK, WARN)


def test_a_map_that_was_moved_under_the_node_is_told() -> None:
    assert problems_of_map(SimpleNamespace(change_of_file=lambda: '')) == []
    (found,) = problems_of_map(SimpleNamespace(change_of_file=lambda: 'a.map: moved'))
    assert found.level == WARN
    assert found.sentence.endswith('those of the earlier map: configure the node again')


class FakeNode:
    def __init__(self, publishers: list, elsewhere: int = 0) -> None:
        self._publishers, self._elsewhere = publishers, elsewhere

    def get_publishers_info_by_topic(self, _topic: str) -> list:
        return self._publishers

    def count_publishers(self, _topic: str) -> int:
        return self._elsewhere


def publisher(
    name: str = 'camera',
    kind: str = 'sensor_msgs/msg/Image',
    reliability: ReliabilityPolicy = ReliabilityPolicy.BEST_EFFORT,
) -> SimpleNamespace:
    profile = QoSProfile(depth=1, reliability=reliability, durability=DurabilityPolicy.VOLATILE)
    return SimpleNamespace(
        node_name=name, node_namespace='/', topic_type=kind, qos_profile=profile
    )


def said(node: FakeNode, silent_s: float = 6.0, wanted=ReliabilityPolicy.BEST_EFFORT) -> str:
    subscription = SimpleNamespace(
        topic_name='/cam', msg_type=Image, qos_profile=QoSProfile(depth=1, reliability=wanted)
    )
    return summary(problems_of_topic(node, subscription, silent_s)).sentence


def test_silence_is_told_with_the_publishers_and_their_quality_of_service() -> None:
    assert said(FakeNode([publisher()]), silent_s=1.0) == 'answering'
    found = said(FakeNode([publisher()]))
    assert found.startswith('no image on /cam for 6 s, 1 publishers (/camera: sensor_msgs/msg/I')
    assert 'best effort, volatile' in found
    assert '0 publishers; start the camera' in said(FakeNode([]))
    assert 'set image_transport to compressed' in said(FakeNode([], elsewhere=1))
    packets = publisher(kind='ffmpeg_image_transport_msgs/msg/FFMPEGPacket')
    assert 'expected sensor_msgs/msg/Image: choose' in said(FakeNode([packets]))
    deaf = said(FakeNode([publisher()]), wanted=ReliabilityPolicy.RELIABLE)
    assert 'this node requests reliable' in deaf


def test_a_publisher_that_is_not_known_yet_has_no_strange_name() -> None:
    found = said(FakeNode([publisher('front'), publisher('_NODE_NAME_UNKNOWN_')]), silent_s=0.0)
    assert found.startswith('2 publishers send images on /cam (/front, a node that is not known')


def test_two_publishers_on_one_topic_are_named() -> None:
    found = said(FakeNode([publisher('front'), publisher('rear')]), silent_s=0.0)
    assert found.startswith('2 publishers send images on /cam (/front, /rear)')


def test_two_publishers_of_odometry_are_named() -> None:
    subscriptions = [SimpleNamespace(topic_name='/odom')]
    (found,) = problems_of_helpers(
        FakeNode([publisher('ekf'), publisher('wheels')]), subscriptions
    )
    assert found.sentence.startswith('2 publishers send messages on /odom (/ekf, /wheels)')
    assert problems_of_helpers(FakeNode([publisher('ekf')]), subscriptions) == []


@pytest.mark.parametrize(
    ('counts', 'texts'),
    [
        ({'bad_fixes': 25}, ['none of the 25 messages of the fixes topic can be used: no fix']),
        ({'bad_fixes': 25, 'fixes': 1}, []),
        ({'bad_odometry': 3}, ['none of the 3 messages of the odometry topic']),
        ({'odometry': 3}, []),
        ({'odometry': 3, 'odometry_frames': 2}, ['from odom to map']),
    ],
)
def test_positions_that_cannot_be_used_are_told(counts, texts) -> None:
    sentences = {'odometry_frames': 'odometry changes from odom to map'}
    found = problems_of_positions(Recent(Counter(counts), sentences=sentences))
    assert len(found) == len(texts)
    assert all(text in problem.sentence for problem, text in zip(found, texts, strict=True))
