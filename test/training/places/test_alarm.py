"""What stops a training, and the message of each cause."""

import math

import pytest

from ghost_vpr_ros.core.errors import TrainingError
from training.places.alarm import Alarm, AlarmConfig
from training.places.step import StepSums


def block(active: int, distance2: float = 1.0, tuples: int = 4) -> StepSums:
    return StepSums(tuples=tuples, active_tuples=active, negative_distance2=distance2 * tuples)


@pytest.mark.parametrize('loss', [math.nan, math.inf])
def test_a_loss_that_is_no_number_names_checkpoint_and_advice(loss: float) -> None:
    alarm = Alarm(AlarmConfig(), 'run/checkpoint')
    with pytest.raises(TrainingError, match=r'run/checkpoint.*learning_rate') as error:
        alarm.check_number('loss', loss, 'epoch 3, block 1')
    assert str(error.value).startswith('epoch 3, block 1: the loss is')
    alarm.check_number('loss', 0.0, '')


def test_descriptors_that_are_alike_are_a_collapse() -> None:
    alarm = Alarm(AlarmConfig(), 'run/checkpoint')
    alarm.check_block(block(4, distance2=0.02), '')
    with pytest.raises(TrainingError, match=r'collapsed.*margin.*run/checkpoint.*lower'):
        alarm.check_block(block(4, distance2=0.005), 'epoch 1')


def test_an_epoch_without_an_active_triplet_ends_training() -> None:
    alarm = Alarm(AlarmConfig(), '', idle=1)
    alarm.check_block(block(1), '')
    assert alarm.idle == 0
    for idle in (1, 2, 3):
        assert alarm.why_end(3) == ''
        alarm.check_block(block(0, tuples=0), '')
        assert alarm.idle == idle
    assert 'no active triplet in 3 blocks' in alarm.why_end(3)
    assert alarm.why_end(4) == ''


def test_the_number_of_idle_blocks_can_be_chosen() -> None:
    alarm = Alarm(AlarmConfig(idle_blocks=2), '', idle=2)
    assert alarm.why_end(100)
