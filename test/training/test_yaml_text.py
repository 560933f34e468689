"""YAML's numbers, and what is refused in one sentence."""

import math

import pytest

from training.yaml_text import read_yaml


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('1e-4', 1e-4),
        ('1.5E+3', 1500.0),
        ('+.5', 0.5),
        ('-3.', -3.0),
        ('.inf', math.inf),
        ('010', 10),
        ('-7', -7),
        ('0x1F', 31),
        ('0o17', 15),
        ('1:30', '1:30'),
        ('1_000', '1_000'),
        ('2024-05-06', '2024-05-06'),
        ('e5', 'e5'),
        ("'1e5'", '1e5'),
        ('true', True),
        ('', None),
        ('{a: &x {b: 1e2}, c: {<<: *x, d: 2}}', {'a': {'b': 100.0}, 'c': {'b': 100.0, 'd': 2}}),
    ],
)
def test_values_are_those_that_people_mean(text, value):
    found = read_yaml(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('a: 1\nb: 2\na: 3\n', "key 'a' occurs twice, the second time in line 3"),
        ('a:\n  b: 1\n  b: 1\n', "key 'b' occurs twice, the second time in line 3"),
        ('[' * 2000 + ']' * 2000, 'nested too deeply'),
        ('9' * 5000, '4300 digits'),
        ('[1, 2', "expected ',' or ']'"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, reason):
    with pytest.raises(ValueError) as caught:
        read_yaml(text)
    assert reason in str(caught.value)
