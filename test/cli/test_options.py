"""Options come from the configuration classes."""

import argparse
from dataclasses import dataclass

import pytest

from ghost_vpr_ros.cli.model_options import add_engine_options
from ghost_vpr_ros.cli.options import add_settings, add_where, config_from, seed, where_from
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.settings import Config, setting
from ghost_vpr_ros.core.errors import ConfigError


@dataclass(frozen=True)
class Example(Config):
    """All kinds of settings."""

    top_k: int = setting(10, 'how many', low=1, high=20)
    radius_m: float = setting(2.5, 'how far', unit='m', low=0.0)
    is_fast: bool = setting(True, 'hurry')
    size: tuple[int, int] = setting((3, 4), 'both sides', low=1)
    kind: str = setting('a', 'which', choices=('a', 'b'))
    topic: str = setting('', '100 % free text')


def parse(*arguments: str) -> Example:
    parser = argparse.ArgumentParser()
    add_settings(parser, Example)
    return config_from(parser.parse_args(arguments), Example)


def test_defaults_are_those_of_the_class():
    assert parse() == Example()


def test_every_kind_of_value_is_taken():
    given = parse(
        *('--top-k', '5', '--radius-m', '1', '--no-is-fast', '--size', '7', '8', '--kind', 'b')
    )
    assert given == Example(top_k=5, radius_m=1.0, is_fast=False, size=(7, 8), kind='b')


def test_a_value_out_of_range_names_setting_range_and_value():
    with pytest.raises(ConfigError, match=r'top_k: expected 1 \.\. 20, found 21'):
        parse('--top-k', '21')


def test_a_value_of_another_kind_is_a_usage_error():
    with pytest.raises(SystemExit) as exit_info:
        parse('--top-k', 'many')
    assert exit_info.value.code == 2


def test_help_names_range_unit_and_default():
    parser = argparse.ArgumentParser()
    add_settings(parser, Example)
    text = ' '.join(parser.format_help().split())
    assert '--radius-m M how far (0 .. inf m, default 2.5)' in text
    assert '100 % free text' in text


def test_only_the_wanted_settings_become_options():
    parser = argparse.ArgumentParser()
    add_settings(parser, Example, ['top_k'])
    assert '--radius-m' not in parser.format_help()


def test_where_collects_columns():
    parser = argparse.ArgumentParser()
    add_where(parser)
    args = parser.parse_args(['--where', 'split=test', '--where', 'note=a=b'])
    assert where_from(args.where) == {'split': 'test', 'note': 'a=b'}


def test_where_refuses_a_column_given_twice():
    with pytest.raises(ConfigError, match='city=b: the column is given twice, city=a came'):
        where_from([('city', 'a'), ('role', 'query'), ('city', 'b')])


def test_where_without_a_value_is_a_usage_error(capsys):
    parser = argparse.ArgumentParser()
    add_where(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(['--where', 'split'])
    assert "expected COLUMN=VALUE, found 'split'" in capsys.readouterr().err


def test_engine_and_device_have_the_defaults_of_their_configuration():
    parser = argparse.ArgumentParser()
    add_engine_options(parser)
    assert vars(parser.parse_args([])) == EngineConfig().to_dict()
    assert vars(parser.parse_args(['--device', 'cuda:1']))['device'] == 'cuda:1'


def test_an_engine_that_does_not_exist_is_a_usage_error(capsys):
    parser = argparse.ArgumentParser()
    add_engine_options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(['--engine', 'tensor'])
    assert "invalid choice: 'tensor'" in capsys.readouterr().err


@pytest.mark.parametrize('text', ['-1', '1.5', '2147483648', '9' * 5000, 'x'])
def test_a_seed_that_a_generator_does_not_take_is_refused(text):
    assert seed('2147483647') == 2**31 - 1
    with pytest.raises(argparse.ArgumentTypeError, match='expected an integer of 0'):
        seed(text)
