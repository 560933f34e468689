"""Markers and the picture of query and match."""

import numpy as np
from visualization_msgs.msg import Marker

from ghost_vpr_ros.core.datatypes import Candidate, Hypothesis, Keyframe, Pose, Reason, State
from ghost_vpr_ros.ros.pictures import markers_message, match_picture

POSE = Pose(np.array([1.0, 2.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0]), np.eye(6))
BEST = Candidate(Keyframe(4, 'morning', 0, 'f.jpg', POSE), 0.9, 0.95)
UNPLACED = Candidate(Keyframe(5, 'morning', 0, 'g.jpg'), 0.8, 0.1)
ANSWER = Hypothesis(7_000_000_000, State.ACCEPTED, Reason.NONE, (BEST, UNPLACED), POSE)


def test_markers_replace_those_before_and_skip_unplaced_candidates():
    markers = markers_message(ANSWER, 'map').markers
    assert markers[0].action == Marker.DELETEALL
    assert [m.ns for m in markers[1:]] == ['candidates', 'pose', 'state']


def test_markers_carry_stamp_and_frame():
    headers = [m.header for m in markers_message(ANSWER, 'town').markers]
    assert {(h.stamp.sec, h.frame_id) for h in headers} == {(7, 'town')}


def test_a_map_without_positions_has_no_markers():
    answer = Hypothesis(0, State.TENTATIVE, Reason.UNCALIBRATED, (UNPLACED,))
    assert len(markers_message(answer, 'map').markers) == 1


def test_the_picture_shows_the_query_left_and_the_view_right():
    red, blue = np.zeros((2, 120, 160, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    picture = match_picture(red, blue, ANSWER)
    assert picture.shape[1] == 640
    assert tuple(picture[150, 100]) == (255, 0, 0)
    assert tuple(picture[150, 500]) == (0, 0, 255)


def test_the_picture_does_without_a_view_and_without_candidates():
    unknown = Hypothesis(0, State.UNKNOWN_PLACE, Reason.EMPTY_MAP)
    picture = match_picture(np.full((48, 64, 3), 200, np.uint8), None, unknown)
    assert picture[150, -1].max() == 0 and picture[:28].max() > 0
