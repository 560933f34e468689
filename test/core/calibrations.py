"""A calibration for the tests, of which single values can be changed."""

from dataclasses import replace

from ghost_vpr_ros.core.probability.calibration import Calibration


def calibration(**changes) -> Calibration:
    base = Calibration(
        slope=20.0,
        intercept=-2.0,
        right_similarity=0.4,
        min_probability=0.8,
        stated_precision=0.99,
        achieved_precision=0.995,
        precision_lower_bound=0.95,
        achieved_recall=0.6,
        num_accepted=60,
        num_right=80,
        num_wrong=40,
        num_frames=100,
        unknown_share=0.2,
        group_radius_m=25.0,
        positive_distance_m=25.0,
        learnt_on='second drive',
        model_hash='ab' * 32,
    )
    return replace(base, **changes)
