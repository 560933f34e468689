"""Parameters: declared from the dataclasses, checked all or nothing."""

from pathlib import Path

import pytest
import yaml
from rcl_interfaces.msg import ParameterType
from rclpy.node import Node
from rclpy.parameter import Parameter

from ghost_vpr_ros.core.config.settings import settings_of
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.ros.parameters import CONFIG_TYPES, NodeParameters
from ghost_vpr_ros.ros.reference import default_yaml

YAML_FILE = Path(__file__).parents[2] / 'config' / 'vpr.yaml'
ALL_SETTINGS = [item for config_type in CONFIG_TYPES for item in settings_of(config_type)]


class Fixture:
    """A node with parameters; `unconfigured` is its lifecycle state, `changes` what it heard."""

    def __init__(self, **overrides):
        given = [Parameter(name, value=value) for name, value in overrides.items()]
        self.node = Node('parameters_under_test', parameter_overrides=given)
        self.unconfigured = True
        self.changes = []
        self.parameters = NodeParameters(
            self.node, lambda: self.unconfigured, lambda p: self.changes.append(p.recognizer)
        )

    def set(self, **values):
        return self.node.set_parameters_atomically(
            [Parameter(name, value=value) for name, value in values.items()]
        )


@pytest.fixture
def fixture(ros):
    made = Fixture()
    yield made
    made.node.destroy_node()


def test_the_yaml_file_is_made_from_the_dataclasses():
    assert YAML_FILE.read_text() == default_yaml()


def test_the_yaml_file_holds_every_default():
    values = yaml.safe_load(YAML_FILE.read_text())['/**']['ros__parameters']
    assert values == {item.name: item.default for item in ALL_SETTINGS}


def test_names_are_unique_over_all_configurations():
    names = [item.name for item in ALL_SETTINGS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize('item', ALL_SETTINGS, ids=lambda item: item.name)
def test_every_parameter_is_described(fixture, item):
    descriptor = fixture.node.describe_parameter(item.name)
    assert descriptor.description.startswith(item.help)
    assert item.unit in descriptor.description
    assert ('run time' in descriptor.additional_constraints) == item.runtime
    assert descriptor.type != ParameterType.PARAMETER_NOT_SET


def test_ranges_are_part_of_the_description(fixture):
    span = fixture.node.describe_parameter('min_probability').floating_point_range[0]
    assert (span.from_value, span.to_value) == (0.0, 1.0)
    limits = fixture.node.describe_parameter('top_k').integer_range[0]
    assert (limits.from_value, limits.to_value) == (1, 1000)


def test_thresholds_change_at_run_time(fixture):
    fixture.unconfigured = False
    assert fixture.set(min_probability=0.7, top_k=5).successful
    assert fixture.parameters.recognizer.min_probability == 0.7
    assert [change.top_k for change in fixture.changes] == [5]


def test_a_bad_value_leaves_all_values_of_the_call_as_they_were(fixture):
    result = fixture.set(top_k=5, min_probability=1.5)
    assert not result.successful
    assert 'min_probability' in result.reason
    assert fixture.parameters.recognizer.top_k == 10
    assert fixture.node.get_parameter('top_k').value == 10
    assert fixture.changes == []


def test_a_bad_choice_is_rejected_with_the_choices(fixture):
    result = fixture.set(image_transport='theora')
    assert not result.successful
    assert result.reason == "image_transport: expected one of raw, compressed, found 'theora'"


@pytest.mark.parametrize(
    ('config', 'name'), [('node', 'map'), ('node', 'model'), ('engine', 'device')]
)
def test_files_and_devices_are_fixed_once_configured(fixture, config, name):
    assert fixture.set(**{name: 'first'}).successful
    fixture.unconfigured = False
    result = fixture.set(**{name: 'second'})
    assert not result.successful
    assert 'only while the node is unconfigured' in result.reason
    assert getattr(getattr(fixture.parameters, config), name) == 'first'


def test_a_wrong_type_is_rejected(fixture):
    assert not fixture.set(top_k='ten').successful


def test_a_bad_override_is_a_config_error(ros):
    with pytest.raises(ConfigError, match='min_probability'):
        Fixture(min_probability=3.0)


def test_a_bad_choice_as_override_is_a_config_error(ros):
    with pytest.raises(ConfigError, match='mode: expected one of localize'):
        Fixture(mode='fly')


def test_an_integer_is_taken_where_a_double_is_meant(ros):
    made = Fixture(memory_s=7)
    assert made.parameters.recognizer.memory_s == 7.0
    if hasattr(made.node, 'add_pre_set_parameters_callback'):
        assert made.set(memory_s=8).successful
        assert made.parameters.recognizer.memory_s == 8.0
    made.node.destroy_node()


def test_a_misspelt_parameter_is_told_with_the_nearest_name(ros, capfd):
    made = Fixture(min_probabilty=0.5)
    made.node.destroy_node()
    told = capfd.readouterr().err
    assert 'parameter min_probabilty is unknown' in told
    assert "did you mean 'min_probability'?" in told
