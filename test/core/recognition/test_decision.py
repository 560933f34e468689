"""The table of decisions, and which images are usable."""

import pytest

from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import Reason, State
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.probability.likelihood import PlaceLikelihood
from ghost_vpr_ros.core.recognition.decision import decide
from test.core.scripted import candidate

LEARNED = PlaceLikelihood(0.3, 0.1, 0.05, right_similarity=0.7)
CONFIG = RecognizerConfig(min_probability=0.9, tentative_probability=0.5)


@pytest.mark.parametrize(
    ('probability', 'similarity', 'state', 'reason'),
    [
        (1.0, 0.9, State.ACCEPTED, Reason.NONE),
        (0.9, 0.9, State.ACCEPTED, Reason.NONE),
        (0.9, 0.1, State.ACCEPTED, Reason.NONE),
        (0.899, 0.9, State.TENTATIVE, Reason.LOW_SCORE),
        (0.5, 0.1, State.TENTATIVE, Reason.LOW_SCORE),
        (0.499, 0.7, State.REJECTED, Reason.AMBIGUOUS),
        (0.0, 0.9, State.REJECTED, Reason.AMBIGUOUS),
        (0.499, 0.699, State.UNKNOWN_PLACE, Reason.LOW_SCORE),
        (0.0, -0.5, State.UNKNOWN_PLACE, Reason.LOW_SCORE),
        (float('nan'), 0.9, State.TENTATIVE, Reason.UNCALIBRATED),
    ],
)
def test_the_best_candidate_decides(probability, similarity, state, reason):
    best = candidate(probability=probability, similarity=similarity)
    other = candidate(probability=0.2, similarity=0.1)
    assert decide([best, other], LEARNED, CONFIG) == (state, reason)


def test_without_candidates_the_map_is_empty():
    assert decide([], LEARNED, CONFIG) == (State.UNKNOWN_PLACE, Reason.EMPTY_MAP)
    assert decide([], None, CONFIG) == (State.UNKNOWN_PLACE, Reason.EMPTY_MAP)


def test_without_a_likelihood_nothing_is_accepted():
    found = decide([candidate(probability=1.0)], None, CONFIG)
    assert found == (State.TENTATIVE, Reason.UNCALIBRATED)


def test_the_thresholds_are_those_of_the_configuration():
    strict = RecognizerConfig(min_probability=0.99, tentative_probability=0.95)
    assert decide([candidate(probability=0.96)], LEARNED, strict)[0] is State.TENTATIVE
    assert decide([candidate(probability=0.94)], LEARNED, strict)[0] is State.REJECTED


def test_thresholds_that_cross_are_refused() -> None:
    with pytest.raises(ConfigError, match=r'at most min_probability 0\.4, found 0\.5'):
        RecognizerConfig(min_probability=0.4)


@pytest.mark.parametrize(
    ('session', 'similarity', 'state'),
    [
        ('walk', 0.61, State.ACCEPTED),
        ('walk', 0.59, State.TENTATIVE),
        ('another', 0.59, State.ACCEPTED),
        ('', 0.59, State.ACCEPTED),
    ],
)
def test_a_match_in_the_own_run_has_to_be_as_similar_as_neighbours_are(
    session, similarity, state
) -> None:
    """Keyframes of `candidate` are of the session `walk`."""
    learned = PlaceLikelihood(0.3, 0.0, 0.1, right_similarity=0.6)
    found = decide([candidate(probability=0.99, similarity=similarity)], learned, CONFIG, session)
    assert found[0] is state
