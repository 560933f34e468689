"""Settings: every kind of wrong value is refused in one sentence that names the field."""

import argparse
import dataclasses
from dataclasses import dataclass

import pytest

from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.config.settings import (
    Config,
    nearest_hint,
    same_setting,
    setting,
    settings_of,
)
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.replay.config import PatchNetVladConfig


@dataclass(frozen=True)
class Sample(Config):
    count: int = setting(3, 'how many', low=1, high=9)
    length_m: float = setting(2.5, 'how long', unit='m', low=0.0, high=10.0, runtime=True)
    least: float = setting(0.0, 'no upper end', low=-1.0)
    kind: str = setting('a', 'which', choices=('a', 'b'))
    switch: bool = setting(True, 'on or off')
    rates: tuple[int, int] = setting((5, 2), 'two rates', low=1, high=16)
    shares: tuple[float, float] = setting((0.5, 0.5), 'two shares', low=0.0, high=1.0)
    words: tuple[str, ...] = setting((), 'any number of texts')


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('count', 0, 'count: expected 1 .. 9, found 0'),
        ('count', 10, 'count: expected 1 .. 9, found 10'),
        ('count', 3.0, 'count: expected a value of type int, found 3.0'),
        ('count', True, 'count: expected a value of type int, found True'),
        ('count', '3', "count: expected a value of type int, found '3'"),
        ('count', None, 'count: expected a value of type int, found None'),
        ('length_m', 10.5, 'length_m: expected 0 .. 10 m, found 10.5'),
        ('length_m', -1e-9, 'length_m: expected 0 .. 10 m, found -1e-09'),
        ('length_m', float('nan'), 'length_m: expected a finite number, found nan'),
        ('length_m', float('inf'), 'length_m: expected a finite number, found inf'),
        ('length_m', 10**400, 'length_m: expected a finite number, found inf'),
        ('length_m', True, 'length_m: expected a value of type float, found True'),
        ('least', -2.0, 'least: expected -1 .. inf, found -2.0'),
        ('kind', 'c', "kind: expected one of a, b, found 'c'"),
        ('kind', 1, 'kind: expected a value of type str, found 1'),
        ('switch', 1, 'switch: expected a value of type bool, found 1'),
        ('rates', (5,), 'rates: expected a list of 2 values, found (5,)'),
        ('rates', (5, 2, 1), 'rates: expected a list of 2 values, found (5, 2, 1)'),
        ('rates', 5, 'rates: expected a list of 2 values, found 5'),
        ('rates', '52', "rates: expected a list of 2 values, found '52'"),
        ('rates', (5, 17), 'rates: expected 1 .. 16, found 17'),
        ('rates', (0, 2), 'rates: expected 1 .. 16, found 0'),
        ('rates', (5, 2.0), 'rates: expected a value of type int, found 2.0'),
        ('rates', (5, True), 'rates: expected a value of type int, found True'),
        ('words', 1, 'words: expected a text or a list of texts, found 1'),
        ('words', ['a', 1], "words: expected a text or a list of texts, found ['a', 1]"),
        ('shares', (0.5, float('nan')), 'shares: expected a finite number, found nan'),
    ],
)
def test_a_wrong_value_is_refused_with_field_range_and_value(name, value, message):
    with pytest.raises(ConfigError) as caught:
        Sample(**{name: value})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ('name', 'value'),
    [('count', 1), ('count', 9), ('length_m', 0.0), ('length_m', 10.0), ('least', 1e300)],
)
def test_both_ends_of_a_range_are_allowed(name, value):
    assert getattr(Sample(**{name: value}), name) == value


def test_a_whole_number_becomes_a_float_where_one_is_expected():
    sample = Sample(length_m=4, shares=(0, 1))
    assert isinstance(sample.length_m, float)
    assert [type(share) for share in sample.shares] == [float, float]


def test_a_list_becomes_a_tuple():
    assert Sample(rates=[3, 1]).rates == (3, 1)


def test_an_unknown_key_is_refused_with_the_nearest_known_one():
    with pytest.raises(ConfigError) as caught:
        Sample.from_dict({'lenght_m': 1.0})
    assert str(caught.value) == "Sample: unknown key 'lenght_m'; did you mean 'length_m'?"


def test_an_unknown_key_like_no_other_is_refused_with_the_list_of_all():
    with pytest.raises(ConfigError, match='known: count, kind, least, length_m, rates'):
        Sample.from_dict({'zzzzzz': 1.0})


def test_a_bad_value_in_a_dictionary_is_refused():
    with pytest.raises(ConfigError, match=r'count: expected 1 \.\. 9, found 99'):
        Sample.from_dict({'count': 99})


def test_absent_keys_keep_their_defaults():
    assert Sample.from_dict({'count': 4}) == Sample(count=4)
    assert Sample.from_dict({}) == Sample()


def test_a_configuration_survives_the_way_through_plain_values():
    sample = Sample(count=7, rates=(4, 4), switch=False)
    plain = sample.to_dict()
    assert plain['rates'] == [4, 4]
    assert Sample.from_dict(plain) == sample


def test_replacing_a_value_checks_it_again():
    with pytest.raises(ConfigError):
        dataclasses.replace(Sample(), count=0)


def test_a_configuration_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Sample().count = 4


def test_settings_carry_what_a_command_line_needs():
    described = {item.name: item for item in settings_of(Sample)}
    names = ['count', 'length_m', 'least', 'kind', 'switch', 'rates', 'shares', 'words']
    assert list(described) == names
    assert described['length_m'].help == 'how long'
    assert described['length_m'].range_text() == '0 .. 10 m'
    assert (described['length_m'].runtime, described['count'].runtime) == (True, False)
    assert described['kind'].choices == ('a', 'b')


def test_a_hint_names_what_is_near_or_lists_what_is_known():
    assert nearest_hint('torhc', ['auto', 'torch']) == "; did you mean 'torch'?"
    assert nearest_hint('xyz', ['torch', 'auto']) == '; known: auto, torch'


@pytest.mark.parametrize(
    'config_type', [PreprocessingConfig, ModelConfig, MapConfig, RecognizerConfig]
)
def test_defaults_are_within_their_own_ranges_and_described(config_type):
    assert config_type.from_dict(config_type().to_dict()) == config_type()
    assert all(item.help for item in settings_of(config_type))


@pytest.mark.parametrize(
    ('config_type', 'values', 'message'),
    [
        (ModelConfig, {'clusters': 1}, 'clusters: expected 2 .. 1024'),
        (ModelConfig, {'crop_channels': 512}, 'crop_channels: expected one of 160, 960'),
        (ModelConfig, {'dilation': (5, 0)}, 'dilation: expected 1 .. 16'),
        (ModelConfig, {'netvlad_version': 'v3'}, 'netvlad_version: expected one of v1, v2'),
        (ModelConfig, {'descriptor_dim': -1}, 'descriptor_dim: expected 0 .. 65536'),
        (PreprocessingConfig, {'width_px': 31}, 'width_px: expected 32 .. 4096 px'),
        (PreprocessingConfig, {'std': (0.2, 0.0, 0.2)}, 'std: expected 0.001 .. 1'),
        (RecognizerConfig, {'min_probability': 1.1}, 'min_probability: expected 0 .. 1'),
        (RecognizerConfig, {'top_k': 0}, 'top_k: expected 1 .. 1000'),
        (MapConfig, {'view_width_px': -1}, 'view_width_px: expected 0 .. 4096'),
    ],
)
def test_the_packages_own_ranges_hold(config_type, values, message):
    with pytest.raises(ConfigError, match=message):
        config_type(**values)


def test_a_list_of_texts_has_any_length_and_may_be_one_text():
    assert Sample().words == ()
    assert Sample(words=['a', 'b']).words == ('a', 'b')
    assert Sample(words='ab').words == ('ab',)
    assert Sample(words='ab').to_dict()['words'] == ['ab']


def test_a_list_as_an_option_takes_numbers() -> None:
    sizes = next(s for s in settings_of(PatchNetVladConfig) if s.name == 'patch_sizes')
    parser = argparse.ArgumentParser()
    parser.add_argument('--patch-sizes', **sizes.argument())
    args = parser.parse_args(['--patch-sizes', '2', '5', '8'])
    assert PatchNetVladConfig.from_dict({'patch_sizes': args.patch_sizes}).patch_sizes == (2, 5, 8)


def test_a_setting_of_another_configuration_is_the_same():
    @dataclass(frozen=True)
    class Other(Config):
        length_m: float = same_setting(Sample, 'length_m')

    assert settings_of(Other) == [item for item in settings_of(Sample) if item.name == 'length_m']
    with pytest.raises(ConfigError, match=r'length_m: expected 0 \.\. 10 m'):
        Other(length_m=11.0)
