"""The whole way from image to hypothesis: with the real network, and with scripted descriptors."""

import dataclasses

import numpy as np
import pytest

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Frame, GeoPoint, Pose, Reason, State
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import DeviceError, GhostVprError, ImageError, MapError
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.model.weights import model_to_bytes, save_model
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.replay.descriptors.extraction import extract_descriptors
from test.core.model.tiny_model import pictures, tiny_model
from test.core.scripted import scripted_recognizer

NUM_PLACES, VIEWS = 6, 3
STAGES = ['preprocess', 'describe', 'search', 'decide', 'verify']


@pytest.fixture(scope='module')
def model():
    return tiny_model(images=16)


def view(place: int, number: int) -> np.ndarray:
    """RGB uint8 (64, 64, 3): the picture of a place, a little darker from view to view."""
    return (pictures(NUM_PLACES, seed=20)[place] * (1.0 - 0.04 * number)).astype(np.uint8)


def write_map(path, model, located: bool = True):
    """Six places 111 m apart, three views each, 1 m apart."""
    frames = [
        Frame(f'{place}_{number}.png', lambda place=place, number=number: view(place, number))
        for place in range(NUM_PLACES)
        for number in range(VIEWS)
    ]
    descriptors = extract_descriptors(frames, model, create_engine(model))
    content = (model.preprocessing, model_to_bytes(model))
    with PlaceMap.create(path, model.model_hash, model.descriptor_dim, *content) as place_map:
        session = place_map.add_session('walk')
        for row, descriptor in enumerate(descriptors):
            latitude = 52.2 + row // VIEWS * 1e-3 + row % VIEWS * 1e-5
            geo = GeoPoint(latitude, 0.12) if located else None
            place_map.add(session, row, descriptor, name=frames[row].name, geo=geo)
    return path


@pytest.fixture(scope='module')
def map_path(model, tmp_path_factory):
    return write_map(tmp_path_factory.mktemp('map') / 'town.db', model)


@pytest.fixture
def recognizer(map_path):
    with PlaceRecognizer.open(map_path) as opened:
        yield opened


@pytest.mark.parametrize('place', range(NUM_PLACES))
def test_a_view_between_two_of_the_map_is_accepted_at_its_place(recognizer, place):
    found = recognizer.recognize(view(place, 1), stamp_ns=5)
    assert (found.state, found.reason) == (State.ACCEPTED, Reason.NONE)
    assert found.candidates[0].keyframe.name == f'{place}_1.png'
    assert found.candidates[0].similarity == pytest.approx(1.0, abs=1e-5)
    assert found.geo.latitude_deg == pytest.approx(52.2 + place * 1e-3, abs=3e-5)
    assert found.geo.longitude_deg == pytest.approx(0.12, abs=1e-6)
    assert found.geo.altitude_m is None


def test_a_place_that_the_map_lacks_is_not_accepted(recognizer):
    for image in pictures(5, seed=77):
        found = recognizer.recognize(image, 0)
        assert found.state in (State.UNKNOWN_PLACE, State.REJECTED, State.TENTATIVE)
        assert found.reason is not Reason.NONE


def test_the_stamp_the_revision_and_the_stages_are_passed_on(recognizer):
    found = recognizer.recognize(view(2, 1), stamp_ns=1_700_000_000_123_456_789)
    assert found.stamp_ns == 1_700_000_000_123_456_789
    assert found.map_revision == recognizer.place_map.revision > 0
    assert list(found.stage_ms) == STAGES
    assert all(ms >= 0.0 for ms in found.stage_ms.values())


def test_candidates_fall_in_similarity_and_are_top_k(recognizer):
    recognizer.config = RecognizerConfig(top_k=4)
    similarities = [c.similarity for c in recognizer.recognize(view(0, 0), 0).candidates]
    assert len(similarities) == 4
    assert similarities == sorted(similarities, reverse=True)


def test_no_more_candidates_than_keyframes(recognizer):
    recognizer.config = RecognizerConfig(top_k=1000)
    assert len(recognizer.recognize(view(0, 0), 0).candidates) == NUM_PLACES * VIEWS


def as_comparable(hypothesis) -> list:
    numbers = [
        (c.keyframe.keyframe_id, c.similarity, c.probability) for c in hypothesis.candidates
    ]
    pose = hypothesis.pose
    return [hypothesis.state, numbers, pose.position_m.tolist(), pose.covariance.tolist()]


def test_a_place_that_the_image_does_not_show_is_not_accepted_for_the_frames_before(recognizer):
    for number in range(5):
        recognizer.recognize(view(5, 0), stamp_ns=number * 10**9)
    found = recognizer.recognize(view(1, 1), stamp_ns=5 * 10**9)
    assert (found.state, found.reason) == (State.TENTATIVE, Reason.TEMPORAL)
    recognizer.reset()
    assert recognizer.recognize(view(1, 1), stamp_ns=6 * 10**9).state is State.ACCEPTED


def test_by_itself_an_image_has_the_same_hypothesis_whatever_came_between(recognizer):
    recognizer.config = dataclasses.replace(recognizer.config, temporal='none')
    first = recognizer.recognize(view(1, 1), 0)
    for place in range(NUM_PLACES):
        recognizer.recognize(view(place, 0), 1)
    assert as_comparable(recognizer.recognize(view(1, 1), 2)) == as_comparable(first)


@pytest.mark.parametrize('grey', [0, 255])
def test_a_black_or_white_frame_is_rejected_before_the_network_runs(recognizer, grey):
    found = recognizer.recognize(np.full((64, 64, 3), grey, np.uint8), 9)
    assert (found.state, found.reason) == (State.REJECTED, Reason.IMAGE_QUALITY)
    assert (found.stamp_ns, found.candidates, found.pose, found.geo) == (9, (), None, None)
    assert list(found.stage_ms) == ['preprocess']


def test_what_is_not_an_image_is_refused(recognizer):
    with pytest.raises(ImageError):
        recognizer.recognize(np.zeros((64, 64), np.uint8), 0)


@pytest.mark.parametrize(
    ('image', 'stamp_ns', 'odometry', 'text'),
    [
        (None, 5, None, 'found NoneType; read a file with'),
        ('a.jpg', 5, None, 'found str; read a file with'),
        (view(0, 0), 1.7e9, None, 'stamp_ns: .* of seconds make round'),
        (view(0, 0), '5', None, "stamp_ns: expected an integer .* found '5'"),
        (view(0, 0), 2**63, None, 'stamp_ns: expected at most'),
        (view(0, 0), 5, (1.0, 2.0), 'odometry: expected a Pose'),
    ],
)
def test_what_is_no_frame_is_refused_and_changes_nothing(
    recognizer, image, stamp_ns, odometry, text
):
    recognizer.recognize(view(0, 0), 4)
    before = recognizer.reading
    with pytest.raises(GhostVprError, match=text):
        recognizer.recognize(image, stamp_ns, odometry)
    assert recognizer.reading == before


def test_stamps_of_numpy_are_integers_too(recognizer):
    answer = recognizer.recognize(view(0, 0), np.int64(5))
    assert type(answer.stamp_ns) is int
    assert recognizer.recognize(view(0, 0), 2**63 - 1).stamp_ns == 2**63 - 1


def test_thresholds_change_from_one_image_to_the_next(recognizer):
    image = view(3, 1)
    assert recognizer.recognize(image, 0).state is State.ACCEPTED
    recognizer.config = RecognizerConfig(min_contrast=255.0)
    assert recognizer.recognize(image, 0).reason is Reason.IMAGE_QUALITY
    recognizer.config = RecognizerConfig(position_floor_m=9.0, top_k=2)
    found = recognizer.recognize(image, 0)
    assert len(found.candidates) == 2
    assert found.pose.covariance[0, 0] >= 81.0


def test_another_radius_is_learned_again(map_path, recognizer):
    wide = RecognizerConfig(group_radius_m=150.0)
    with PlaceRecognizer.open(map_path, config=wide) as fresh:
        expected = as_comparable(fresh.recognize(view(1, 1), 0))
    recognizer.recognize(view(1, 1), 0)
    recognizer.config = wide
    assert recognizer.config == wide
    assert as_comparable(recognizer.recognize(view(1, 1), 0)) == expected


def test_a_map_without_keyframes_knows_no_place(model, tmp_path):
    content = (model.preprocessing, model_to_bytes(model))
    PlaceMap.create(tmp_path / 'm', model.model_hash, model.descriptor_dim, *content).close()
    with PlaceRecognizer.open(tmp_path / 'm') as opened:
        found = opened.recognize(view(0, 0), 4)
    assert (found.state, found.reason) == (State.UNKNOWN_PLACE, Reason.EMPTY_MAP)
    assert (found.candidates, found.pose) == ((), None)
    assert list(found.stage_ms) == STAGES[:4]


def test_without_positions_the_best_match_stays_tentative(model, tmp_path):
    path = write_map(tmp_path / 'm', model, located=False)
    with PlaceRecognizer.open(path) as opened:
        found = opened.recognize(view(4, 1), 0)
    assert (found.state, found.reason) == (State.TENTATIVE, Reason.UNCALIBRATED)
    assert found.candidates[0].keyframe.name == '4_1.png'
    assert (found.pose, found.geo) == (None, None)


def test_weights_of_the_map_can_be_given_as_a_file(model, map_path, tmp_path):
    save_model(model, tmp_path / 'w')
    with PlaceRecognizer.open(map_path, tmp_path / 'w') as opened:
        assert opened.recognize(view(0, 1), 0).state is State.ACCEPTED


def test_weights_of_another_model_are_refused(map_path, tmp_path):
    save_model(tiny_model(seed=5), tmp_path / 'w')
    with pytest.raises(MapError, match='model'):
        PlaceRecognizer.open(map_path, tmp_path / 'w')


def test_an_unknown_device_is_refused(map_path):
    with pytest.raises(DeviceError, match="device 'gpu'"):
        PlaceRecognizer.open(map_path, engine=EngineConfig(device='gpu'))


def test_an_engine_of_another_model_is_refused(model, map_path):
    other = tiny_model(seed=5)
    with PlaceMap.open(map_path) as place_map, pytest.raises(MapError, match='another model'):
        PlaceRecognizer(other, create_engine(other), place_map, RecognizerConfig())


def test_a_closed_recogniser_has_freed_engine_and_map(map_path):
    opened = PlaceRecognizer.open(map_path)
    opened.close()
    with pytest.raises(MapError, match='is closed; open it again'):
        opened.recognize(view(0, 0), 0)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def street(step_m: float, queries: int = 12, seed: int = 0):
    """Ten places 200 m apart, each seen over 24 m: descriptors, positions, and noisy queries."""
    rng = np.random.default_rng(seed)
    views = int(24.0 / step_m) + 1
    place = np.arange(10).repeat(views)
    along = 200.0 * place + np.tile(np.arange(views) * step_m, 10)
    looks = unit(rng.standard_normal((10, 64)))

    def seen(places: np.ndarray) -> np.ndarray:
        return unit(looks[places] + 0.05 * rng.standard_normal((len(places), 64)))

    asked = rng.integers(0, 10, queries)
    positions = np.column_stack([along, np.zeros_like(along), np.zeros_like(along)])
    return seen(place), positions, seen(asked), asked


@pytest.mark.parametrize('step_m', [12.0, 1.0, 0.25])
def test_how_close_the_keyframes_stand_does_not_decide(model, tmp_path, step_m):
    """With more than `top_k` views of one place, the margin is still to another place."""
    descriptors, positions, script, asked = street(step_m)
    opened = scripted_recognizer(tmp_path / 'm', model, descriptors, positions, script)
    with opened:
        for place in asked:
            found = opened.recognize(view(0, 0), 0)
            assert found.state is State.ACCEPTED
            assert len(found.candidates) == 10
            assert found.pose.position_m[0] == pytest.approx(200.0 * place + 12.0, abs=13.0)


def test_how_deep_earlier_searches_went_does_not_matter(model, tmp_path):
    """The first image needs a deep search, at a place with many views; the second none."""
    rng = np.random.default_rng(1)
    descriptors, positions, _, _ = street(4.0)
    crowd = unit(descriptors[:1] + 0.05 * rng.standard_normal((60, 64)))
    crowd_positions = np.column_stack([rng.uniform(0, 10, 60), np.zeros(60), np.zeros(60)])
    everything = np.vstack([descriptors, crowd]), np.vstack([positions, crowd_positions])
    script = np.vstack([descriptors[20:21], descriptors[:1], descriptors[20:21]])
    with scripted_recognizer(tmp_path / 'm', model, *everything, script) as opened:
        before, _, after = (opened.recognize(view(0, 0), 0) for _ in range(3))
    assert as_comparable(after) == as_comparable(before)


def test_a_place_seen_twice_in_the_map_is_ambiguous(model, tmp_path):
    """Two places with the same look: very similar, no margin."""
    descriptors, positions, _, _ = street(2.0)
    twin = descriptors[:13]
    far_away = positions[:13] + np.array([5000.0, 0.0, 0.0])
    everything = np.vstack([descriptors, twin]), np.vstack([positions, far_away])
    script = unit(descriptors[:1] + 0.02)
    with scripted_recognizer(tmp_path / 'm', model, *everything, script) as opened:
        found = opened.recognize(view(0, 0), 0)
    assert (found.state, found.reason) == (State.REJECTED, Reason.AMBIGUOUS)


def test_a_look_that_no_place_has_is_an_unknown_place(model, tmp_path):
    descriptors, positions, _, _ = street(2.0)
    strange = unit(np.random.default_rng(9).standard_normal((1, 64)))
    with scripted_recognizer(tmp_path / 'm', model, descriptors, positions, strange) as opened:
        found = opened.recognize(view(0, 0), 0)
    assert (found.state, found.reason) == (State.UNKNOWN_PLACE, Reason.LOW_SCORE)


def test_a_map_in_local_metres_gives_a_pose_without_wgs84(model, tmp_path):
    descriptors, positions, script, _ = street(2.0)
    with scripted_recognizer(tmp_path / 'm', model, descriptors, positions, script) as opened:
        found = opened.recognize(view(0, 0), 0)
    assert isinstance(found.pose, Pose)
    assert found.geo is None


def test_the_configuration_in_force_is_the_one_given(model, tmp_path):
    config = dataclasses.replace(RecognizerConfig(), top_k=3)
    descriptors, positions, script, _ = street(2.0)
    with scripted_recognizer(
        tmp_path / 'm', model, descriptors, positions, script, config
    ) as opened:
        assert opened.config == config
        assert len(opened.recognize(view(0, 0), 0).candidates) == 3
