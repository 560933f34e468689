"""YAML as its users expect it: 1e-4 is a number, 010 is ten, and no key occurs twice."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

_NUMBERS = ('tag:yaml.org,2002:float', 'tag:yaml.org,2002:int')
_LEFT_OUT = (*_NUMBERS, 'tag:yaml.org,2002:timestamp')
_MERGE = 'tag:yaml.org,2002:merge'
_FLOAT = re.compile(
    r'[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$'
    r'|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$'
)
_INT = re.compile(r'[-+]?[0-9]+$|0o[0-7]+$|0x[0-9a-fA-F]+$')


class _Loader(yaml.SafeLoader):
    """Numbers as in YAML 1.2, dates as text; PyYAML follows 1.1, where 1e-4 is text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node.

        Raises:
            yaml.YAMLError: a key occurs twice; the second value would count without a word.
        """
        seen = set()
        for key_node, _ in node.value:
            key = (key_node.tag, str(key_node.value))
            if key in seen and key_node.tag != _MERGE:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(
                    f'key {key_node.value!r} occurs twice, the second time in line {line}'
                )
            seen.add(key)
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return found

    def construct_number(self, node: yaml.ScalarNode) -> int:
        """The integer of a node, with zeros before it as without."""
        text = str(self.construct_scalar(node))
        return int(text, 0) if text[:2] in ('0o', '0x') else int(text)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag not in _LEFT_OUT]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_NUMBERS[1], _INT, list('-+0123456789'))
_Loader.add_implicit_resolver(_NUMBERS[0], _FLOAT, list('-+0123456789.'))
_Loader.add_constructor(_NUMBERS[1], _Loader.construct_number)


def read_yaml(text: str) -> Any:
    """The value of a text.

    Raises:
        ValueError: no YAML, a key that occurs twice, or what is nested too deeply; the message is
            the reason.
    """
    try:
        # A subclass of the safe loader, which makes plain values only.
        return yaml.load(text, _Loader)
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error
    except yaml.YAMLError as error:
        raise ValueError(' '.join(str(error).split())) from error
