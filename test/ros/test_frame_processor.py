"""One image to one answer, on message time, whatever the image is like."""

import math
from array import array
from types import SimpleNamespace

import numpy as np
import pytest
from sensor_msgs.msg import Image

from ghost_vpr_ros.core.datatypes import Hypothesis, Reason, State
from ghost_vpr_ros.core.errors import ImageError
from ghost_vpr_ros.ros.conversions import header_at
from ghost_vpr_ros.ros.frame_processor import FrameProcessor, ReceivedImage
from ghost_vpr_ros.ros.fresh_answers import FreshAnswers
from ghost_vpr_ros.ros.health import LOG_PERIOD_S
from ghost_vpr_ros.ros.image_conversions import raw_message
from ghost_vpr_ros.ros.node_statistics import Statistics
from ghost_vpr_ros.ros.parameters import NodeConfig

NOW_NS = 10_000_000_000_000
BROKEN_GREY = 66


class FakeRecognizer:
    map_revision = 12
    least_side_px = 0

    def __init__(self):
        self.stamps = []
        self.resets = 0

    def recognize(self, image, stamp_ns):
        if image.shape[0] < 2:
            raise ImageError('too small for the network')
        if image[0, 0, 0] == BROKEN_GREY:
            raise ZeroDivisionError
        self.stamps.append(stamp_ns)
        return Hypothesis(stamp_ns, State.ACCEPTED, Reason.NONE, stage_ms={'describe': 1.0})

    def reset(self):
        self.resets += 1


class FakePublishers:
    def __init__(self):
        self.view_is_damaged = False
        self.answers = []
        self.pictures = []

    def publish_answer(self, hypothesis, frame_id, latency_ms, detail):
        self.answers.append((hypothesis, frame_id, latency_ms, detail))

    def publish_pictures(self, hypothesis, image, frame_id):
        if self.view_is_damaged:
            raise ImageError('view of old_town cannot be decoded')
        self.pictures.append(image)


class FakeLogger:
    def __init__(self):
        self.errors = []
        self.infos = []
        self.throttles = []

    def error(self, message, throttle_duration_sec=None):
        self.errors.append(message)
        self.throttles.append(throttle_duration_sec)

    warning = error

    def info(self, message):
        self.infos.append(message)


class Bench:
    """A processor whose surroundings are fakes."""

    def __init__(self, **config):
        self.recognizer = FakeRecognizer()
        self.publishers = FakePublishers()
        self.statistics = Statistics()
        self.logger = FakeLogger()
        clock = SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=NOW_NS))
        node_config = NodeConfig(**config)
        self.processor = FrameProcessor(
            self.recognizer,
            self.publishers,
            self.statistics,
            clock,
            self.logger,
            lambda: node_config,
            FreshAnswers(),
        )

    def process(self, stamp_ns=NOW_NS, message=None, frame_id='front', height=4, grey=9):
        image = np.full((height, 4, 3), grey, np.uint8)
        message = message or raw_message(image, header_at(0, ''))
        message.header = header_at(stamp_ns, frame_id)
        return self.processor.process(ReceivedImage(message, 0))


def test_an_answer_carries_the_images_stamp_frame_and_age():
    bench = Bench()
    bench.process(NOW_NS - 30_000_000)
    hypothesis, frame_id, latency_ms, detail = bench.publishers.answers[0]
    assert hypothesis.stamp_ns == NOW_NS - 30_000_000
    assert (frame_id, latency_ms, detail) == ('front', 30.0, '')
    assert list(hypothesis.stage_ms) == ['decode', 'describe']


def test_only_a_change_of_the_state_is_logged():
    bench = Bench()
    for number, height in enumerate((4, 4, 1, 1, 4)):
        bench.process(NOW_NS + number, height=height)
    logged = ['now ACCEPTED', 'now REJECTED; missing: an image that shows something']
    assert bench.logger.infos == [*logged, 'now ACCEPTED']


def test_an_image_without_frame_gets_the_configured_one():
    bench = Bench(camera_frame='left_camera')
    bench.process(frame_id='')
    assert bench.publishers.answers[0][1] == 'left_camera'


def test_a_backward_jump_of_the_stamps_resets_the_recognizer():
    bench = Bench()
    stamps_ns = [second * 10**9 for second in (59, 60, 60, 58, 60)]
    for stamp_ns in stamps_ns:
        bench.process(stamp_ns)
    assert bench.recognizer.resets == 1
    assert bench.recognizer.stamps == stamps_ns
    assert bench.statistics.values()['clock resets'] == '1'


@pytest.mark.parametrize('late_ns', [0, 60 * 10**9 - 5_000_000, 60 * 10**9])
def test_a_late_image_is_counted_and_resets_nothing(late_ns):
    bench = Bench()
    for stamp_ns in (59 * 10**9, 60 * 10**9, late_ns, 61 * 10**9):
        bench.process(stamp_ns)
    assert bench.recognizer.resets == 0
    values = bench.statistics.values()
    assert (values['clock resets'], values['late images']) == ('0', '1')


@pytest.mark.parametrize('ahead_s', [5, 30, 3600])
def test_a_single_stamp_of_the_future_is_counted_and_resets_nothing(ahead_s):
    bench = Bench()
    for second in (59, 60, 60 + ahead_s, 61, 62):
        bench.process(second * 10**9)
    assert bench.recognizer.resets == 0
    values = bench.statistics.values()
    assert (values['clock resets'], values['late images']) == ('0', '1')
    assert f'is stamped {ahead_s - 1}.000 s ahead of it' in bench.logger.errors[0]


def test_an_age_by_another_clock_is_not_computed():
    bench = Bench()
    bench.process(NOW_NS - 3599 * 10**9)
    bench.process(NOW_NS - 3601 * 10**9)
    ages = [latency_ms for _, _, latency_ms, _ in bench.publishers.answers]
    assert ages[0] == pytest.approx(3.599e6)
    assert math.isnan(ages[1])


def test_images_of_another_camera_are_counted():
    bench = Bench()
    for number, frame_id in enumerate(['front', '', 'front', 'rear', 'rear', 'front']):
        bench.process(NOW_NS + number, frame_id=frame_id)
    assert len(bench.logger.errors) == 2
    assert bench.logger.errors[0].startswith("the images change from frame 'front' to 'rear'")
    bench.statistics.values()
    bench.process(NOW_NS + 9, frame_id='rear')
    bench.statistics.values()
    assert bench.statistics.recent.counts['frame_changes'] == 1


def test_an_old_image_is_answered_with_stale_and_not_searched():
    bench = Bench(max_image_age_s=0.5)
    answer = bench.process(NOW_NS - 600_000_000)
    assert (answer.state, answer.reason) == (State.REJECTED, Reason.STALE)
    assert bench.recognizer.stamps == []
    assert len(bench.publishers.answers) == 1


@pytest.mark.parametrize(('limit_s', 'age_s'), [(0.0, 1000.0), (0.5, 0.4), (0.5, -5.0)])
def test_other_images_are_not_stale(limit_s, age_s):
    bench = Bench(max_image_age_s=limit_s)
    assert bench.process(NOW_NS - int(age_s * 1e9)).state is State.ACCEPTED


def test_a_bad_image_is_answered_counted_and_complained_about():
    bench = Bench()
    bad = Image(encoding='32FC1', height=1, width=1, step=4, data=array('B', bytes(4)))
    answer = bench.process(message=bad)
    assert (answer.state, answer.reason) == (State.REJECTED, Reason.IMAGE_QUALITY)
    assert "'32FC1'" in bench.logger.errors[0] and bench.logger.throttles == [LOG_PERIOD_S]
    assert "'32FC1'" in bench.publishers.answers[0][3]
    assert bench.statistics.values()['bad images'] == '1'
    assert bench.process(NOW_NS + 1).state is State.ACCEPTED


def test_an_image_that_the_recognizer_refuses_is_a_bad_image():
    bench = Bench()
    assert bench.process(height=1).reason is Reason.IMAGE_QUALITY
    assert bench.logger.errors == ['too small for the network']


def test_pictures_are_offered_the_image():
    bench = Bench()
    bench.process()
    np.testing.assert_array_equal(bench.publishers.pictures[0], np.full((4, 4, 3), 9))


def test_a_damaged_view_costs_the_picture_but_not_the_answer():
    bench = Bench()
    bench.publishers.view_is_damaged = True
    assert bench.process().state is State.ACCEPTED
    assert len(bench.publishers.answers) == 1
    assert 'view of old_town' in bench.logger.errors[0] and bench.logger.throttles == [
        LOG_PERIOD_S
    ]
    values = bench.statistics.values()
    assert (values['answers ACCEPTED NONE'], values['failures']) == ('1', '1')


def test_a_defect_is_answered_too():
    bench = Bench()
    answer = bench.process(NOW_NS - 1, grey=BROKEN_GREY)
    assert (answer.state, answer.reason) == (State.REJECTED, Reason.FAILURE)
    assert [a[0].stamp_ns for a in bench.publishers.answers] == [NOW_NS - 1]
    assert 'ZeroDivisionError' in bench.logger.errors[0] and bench.logger.throttles == [
        LOG_PERIOD_S
    ]
    assert bench.statistics.values()['failures'] == '1'
    assert bench.process().state is State.ACCEPTED


def test_answers_without_recognition_name_the_map_revision_too():
    bench = Bench(max_image_age_s=0.5)
    stale = bench.process(NOW_NS - 600_000_000)
    unusable = bench.process(height=1)
    failed = bench.process(grey=BROKEN_GREY)
    assert [a.map_revision for a in (stale, unusable, failed)] == [12, 12, 12]


def test_complaints_about_jumping_stamps_are_throttled():
    bench = Bench()
    bench.process(60)
    bench.process(50)
    assert bench.logger.throttles == [LOG_PERIOD_S]


def test_an_encoding_without_colours_is_told_once():
    bench = Bench()
    for number in range(3):
        message = raw_message(np.full((4, 4, 3), 9, np.uint8), header_at(0, ''))
        message.encoding = '8UC3'
        bench.process(NOW_NS + number, message)
    assert bench.logger.errors == [
        'encoding 8UC3 does not define the colours; it is read as bgr8, as Python writes it'
    ]


def test_an_image_that_shows_nothing_is_explained_and_counted():
    bench = Bench()
    bench.recognizer.recognize = lambda image, stamp_ns: Hypothesis(
        stamp_ns, State.REJECTED, Reason.IMAGE_QUALITY, detail='a lens cap'
    )
    bench.process()
    assert bench.publishers.answers[0][3] == 'a lens cap'
    assert bench.statistics.values()['images that show nothing'] == '1'
    assert bench.logger.errors == ['a lens cap']


def test_ages_are_not_computed_while_the_clock_stands_still():
    bench = Bench(max_image_age_s=0.5)
    bench.processor._clock = SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=0))
    assert bench.process(NOW_NS).state is State.ACCEPTED
    assert math.isnan(bench.publishers.answers[0][2])
    assert bench.statistics.values()['stamp age p50 [ms]'] == 'nan'
