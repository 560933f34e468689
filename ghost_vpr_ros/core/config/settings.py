"""Configuration dataclasses whose fields carry help, unit and range: the one place of defaults.

YAML files, ROS parameters and command-line options are derived from these fields and never typed
a second time. Every check raises `ConfigError` with the field's name, the range and the value.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ghost_vpr_ros.core.errors import ConfigError

ConfigT = TypeVar('ConfigT', bound='Config')


@dataclass(frozen=True)
class Setting:
    """One field: help text, unit, inclusive range, choices, and whether it changes at run time.

    A default of `()` stands for any number of values of type `item`; a single one counts as a
    list of one.
    """

    name: str
    default: Any
    help: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] | None = None
    runtime: bool = False
    item: type[Any] = str

    def check(self, value: Any) -> Any:
        """Return `value` in the type of the default.

        Raises:
            ConfigError: wrong type, not finite, outside the range, or not one of the choices.
        """
        if isinstance(self.default, tuple):
            return self._check_tuple(value)
        return self._check_scalar(value, type(self.default))

    def _check_tuple(self, value: Any) -> tuple[Any, ...]:
        if self.default == ():
            return self._check_items(value)
        if not isinstance(value, list | tuple) or len(value) != len(self.default):
            raise self._error(f'a list of {len(self.default)} values', value)
        return tuple(
            self._check_scalar(v, type(d)) for v, d in zip(value, self.default, strict=True)
        )

    def _check_items(self, value: Any) -> tuple[Any, ...]:
        values = [value] if isinstance(value, self.item) else value
        is_list = isinstance(values, list | tuple)
        if not is_list or not all(isinstance(each, self.item) for each in values):
            name = {str: 'text', int: 'whole number', float: 'number'}[self.item]
            raise self._error(f'a {name} or a list of {name}s', value)
        return tuple(self._check_scalar(each, self.item) for each in values)

    def _check_scalar(self, value: Any, kind: type[Any]) -> Any:
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = _as_float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._error(f'a value of type {kind.__name__}', value)
        if self.choices is not None and value not in self.choices:
            raise self._error('one of ' + ', '.join(map(str, self.choices)), value, self.choices)
        if kind is float and not math.isfinite(value):
            raise self._error('a finite number', value)
        below = self.low is not None and value < self.low
        above = self.high is not None and value > self.high
        if below or above:
            raise self._error(self.range_text(), value)
        return value

    def range_text(self) -> str:
        """The inclusive range and the unit in words, for messages and help texts."""
        low = '-inf' if self.low is None else f'{self.low:g}'
        high = 'inf' if self.high is None else f'{self.high:g}'
        return f'{low} .. {high} {self.unit}'.strip()

    def argument(self) -> dict[str, Any]:
        """Arguments of argparse's `add_argument` for this setting, without a default.

        The action of a switch, a setting of type `bool`, is left to the caller.
        """
        described: dict[str, Any] = {'default': None, 'help': self._option_help()}
        if isinstance(self.default, bool):
            return described
        is_list = isinstance(self.default, tuple)
        kind = self._member_type() if is_list else type(self.default)
        if is_list:
            described['nargs'] = len(self.default) or '+'
        if self.choices is not None:
            return {**described, 'type': kind, 'choices': self.choices}
        name = self.unit.upper() or {int: 'N', float: 'X', str: 'TEXT'}[kind]
        return {**described, 'type': kind, 'metavar': name}

    def _member_type(self) -> type[Any]:
        return type(self.default[0]) if self.default else self.item

    def _option_help(self) -> str:
        """The help with range and default; argparse reads `%` as its own."""
        default = self.default
        shown = ' '.join(map(str, default)) if isinstance(default, tuple) else default
        limits = '' if self.low is None or isinstance(default, str) else f'{self.range_text()}, '
        text = f'{self.help} ({limits}default {shown})' if shown != '' else self.help
        return text.replace('%', '%%')

    def _error(self, expected: str, found: Any, known: tuple[Any, ...] = ()) -> ConfigError:
        near = _nearest(found, [word for word in known if isinstance(word, str)])
        return ConfigError(f'{self.name}: expected {expected}, found {found!r}{near}')


def _as_float(value: int) -> float:
    """The nearest float; infinite beyond all of them."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def setting(
    default: Any,
    help: str,
    *,
    unit: str = '',
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] | None = None,
    runtime: bool = False,
    item: type[Any] = str,
) -> Any:
    """Declare a dataclass field with its help, unit, inclusive range and choices.

    `item` is the type of each value where the default is `()`.
    """
    described = {'help': help, 'unit': unit, 'low': low, 'high': high}
    return dataclasses.field(
        default=default,
        metadata={**described, 'choices': choices, 'runtime': runtime, 'item': item},
    )


def same_setting(config_type: type[Config], name: str) -> Any:
    """Declare a field that is a setting of another configuration, defined only there."""
    field = next(each for each in dataclasses.fields(config_type) if each.name == name)
    return dataclasses.field(default=field.default, metadata=field.metadata)


@dataclass(frozen=True)
class Config:
    """Base of all configurations: checked when made, built from a mapping, listed by field."""

    def __post_init__(self) -> None:
        for item in settings_of(type(self)):
            object.__setattr__(self, item.name, item.check(getattr(self, item.name)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name; tuples become lists, as JSON and YAML would have it."""
        raw = dataclasses.asdict(self)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in raw.items()}

    @classmethod
    def from_dict(cls: type[ConfigT], values: Mapping[str, Any]) -> ConfigT:
        """Build and check a configuration; keys that are absent keep their defaults.

        Raises:
            ConfigError: an unknown key (the nearest known one is named) or a bad value.
        """
        check_keys(values, [item.name for item in settings_of(cls)], cls.__name__)
        return cls(**values)


def settings_of(config_type: type[Config]) -> list[Setting]:
    """The settings of a configuration class in the order of its fields."""
    return [
        Setting(field.name, field.default, **field.metadata)
        for field in dataclasses.fields(config_type)
    ]


def check_keys(values: Iterable[Any], known: list[str], where: str) -> None:
    """Check the keys of a mapping; `where` begins the message, unless it is empty.

    Raises:
        ConfigError: an unknown key (the nearest known one is named).
    """
    for key in values:
        if key not in known:
            prefix = f'{where}: ' if where else ''
            raise ConfigError(f'{prefix}unknown key {key!r}{nearest_hint(str(key), known)}')


def nearest_hint(word: str, known: list[str]) -> str:
    """`; did you mean X?` when something similar exists, else the list of known names."""
    return _nearest(word, known) or f'; known: {", ".join(sorted(known))}'


def _nearest(word: Any, known: list[str]) -> str:
    """`; did you mean X?` when something similar exists, else nothing."""
    match = difflib.get_close_matches(word, known, n=1) if isinstance(word, str) else []
    return f'; did you mean {match[0]!r}?' if match else ''
