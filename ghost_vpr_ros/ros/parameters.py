"""ROS parameters declared from the configuration dataclasses, and their checks at run time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.export import ExportConfig
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.config.map import MODES, MapConfig, MappingConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.config.settings import Config, Setting, nearest_hint, setting, settings_of
from ghost_vpr_ros.core.errors import ConfigError


@dataclass(frozen=True)
class NodeConfig(ImageConfig):
    """Settings of the node besides the recogniser: files, topics, periods."""

    map: str = setting('', 'map file that answers (made by ghost-vpr build-map)')
    model: str = setting(
        '',
        'weights file, ghost-vpr-2048, ghost-dil, .onnx, torchvision:NAME; empty: that of the map',
    )
    mode: str = setting(
        'localize',
        'localize: answer from a map; map: make one; localize_and_map: both',
        choices=MODES,
    )
    image_transport: str = setting(
        'raw',
        'raw: sensor_msgs/Image on image; compressed: CompressedImage on image/compressed',
        choices=('raw', 'compressed'),
    )
    autostart: bool = setting(True, 'configure and activate at start')
    map_frame: str = setting('map', 'frame of published positions')
    camera_frame: str = setting(
        'camera', 'frame of ~/fix and pictures where the image message names none'
    )
    max_image_age_s: float = setting(
        0.0,
        'older images are answered with STALE; 0: any age',
        unit='s',
        low=0.0,
        high=3600.0,
        runtime=True,
    )
    diagnostics_period_s: float = setting(
        1.0, 'time between two messages on /diagnostics', unit='s', low=0.1, high=60.0
    )
    localize_frames: int = setting(
        3, 'fresh frames that must agree for ~/localize', low=1, high=100, runtime=True
    )
    localize_timeout_s: float = setting(
        5.0, 'longest time ~/localize waits for them', unit='s', low=0.1, high=60.0, runtime=True
    )


CONFIG_TYPES: tuple[type[Config], ...] = (
    NodeConfig,
    EngineConfig,
    RecognizerConfig,
    MappingConfig,
    MapConfig,
    ExportConfig,
)
"""All parameters of the node, in the order of `config/vpr.yaml`."""


_Built = tuple[NodeConfig, EngineConfig, RecognizerConfig, MappingConfig, MapConfig, ExportConfig]


class NodeParameters:
    """The node's checked configuration; follows the parameters while the node runs.

    Attributes:
        node: settings of the node.
        engine: what runs the network.
        recognizer: settings of the recogniser.
        mapping: settings of the modes that map.
        storage: how a map is written.
        export: how closures are written for others.
    """

    def __init__(
        self,
        node: Node,
        is_unconfigured: Callable[[], bool],
        on_change: Callable[[NodeParameters], None],
    ) -> None:
        """Declare all parameters and start to follow them.

        Args:
            node: declares the parameters.
            is_unconfigured: whether files and devices may change now.
            on_change: called after values have changed.

        Raises:
            ConfigError: a value from the command line or a parameter file is not allowed.
        """
        self._is_unconfigured = is_unconfigured
        self._on_change = on_change
        values: dict[str, Any] = {}
        for config_type in CONFIG_TYPES:
            values |= declare_settings(node, config_type)
        self._use(_build(values))
        self._follow(node)
        _tell_unknown(node, list(values))

    def _use(self, built: _Built) -> None:
        self.node, self.engine, self.recognizer, self.mapping, self.storage, self.export = built

    def _follow(self, node: Node) -> None:
        if hasattr(node, 'add_pre_set_parameters_callback'):  # not in Humble
            node.add_pre_set_parameters_callback(_with_doubles)
        if not hasattr(node, 'add_post_set_parameters_callback'):
            # Humble has no callback for "all the others agreed too"; it applies with the check.
            node.add_on_set_parameters_callback(self._check_and_apply)
            return
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._apply)

    def _check(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        """Accept all new values or none; the reason names parameter, range and value."""
        try:
            changes = self._changes(parameters)
            self._refuse_fixed(changes)
            _build(self._merged(changes))
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _check_and_apply(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        result = self._check(parameters)
        if result.successful:
            self._apply(parameters)
        return result

    def _apply(self, parameters: Sequence[Parameter]) -> None:
        changes = self._changes(parameters)
        if changes:
            self._use(_build(self._merged(changes)))
            self._on_change(self)

    def _changes(self, parameters: Sequence[Parameter]) -> dict[str, Any]:
        known = self._merged({})
        return {p.name: _plain(p.value) for p in parameters if p.name in known}

    def _merged(self, changes: dict[str, Any]) -> dict[str, Any]:
        known: dict[str, Any] = {}
        built = (self.node, self.engine, self.recognizer, self.mapping, self.storage, self.export)
        for config in built:
            known |= config.to_dict()
        return {**known, **changes}

    def _refuse_fixed(self, changes: dict[str, Any]) -> None:
        current = self._merged({})
        for item in (s for config_type in CONFIG_TYPES for s in settings_of(config_type)):
            is_new = item.name in changes and changes[item.name] != current[item.name]
            if is_new and not item.runtime and not self._is_unconfigured():
                raise ConfigError(
                    f'{item.name}: changes only while the node is unconfigured; deactivate it '
                    'and clean it up, set the parameter, then configure it again'
                )


def declare_settings(node: Node, config_type: type[Config]) -> dict[str, Any]:
    """Declare one parameter for each field and return their values.

    Raises:
        ConfigError: an override has the wrong type or is out of range.
    """
    values = {}
    _make_doubles(node, config_type)
    for item in settings_of(config_type):
        default = list(item.default) if isinstance(item.default, tuple) else item.default
        try:
            parameter = node.declare_parameter(item.name, default, describe(item))
        except ParameterException as error:
            raise ConfigError(f'parameter {item.name}: {error}') from error
        values[item.name] = _plain(parameter.value)
    return values


def _overrides(node: Node) -> dict[str, Parameter]:
    """Parameters of the command line and of files; rclpy has no public name for them."""
    return getattr(node, '_parameter_overrides', {})


def _make_doubles(node: Node, config_type: type[Config]) -> None:
    """Accept the 5 of a YAML file as 5.0 for a double."""
    overrides = _overrides(node)
    for item in settings_of(config_type):
        given = overrides.get(item.name)
        if given is not None and isinstance(item.default, float):
            overrides[item.name] = _as_double(given)


def _with_doubles(parameters: list[Parameter]) -> list[Parameter]:
    """The same for parameters set at run time."""
    doubles = {
        item.name
        for config_type in CONFIG_TYPES
        for item in settings_of(config_type)
        if isinstance(item.default, float)
    }
    return [_as_double(p) if p.name in doubles else p for p in parameters]


def _as_double(parameter: Parameter) -> Parameter:
    if parameter.type_ != Parameter.Type.INTEGER:
        return parameter
    return Parameter(parameter.name, Parameter.Type.DOUBLE, float(parameter.value))


def _tell_unknown(node: Node, known: list[str]) -> None:
    """Warn of undeclared names: they have no effect."""
    for name in _overrides(node):
        if node.has_parameter(name) or name.startswith('qos_overrides.'):
            continue
        node.get_logger().warning(
            f'parameter {name} is unknown and has no effect{nearest_hint(name, known)}'
        )


def describe(item: Setting) -> ParameterDescriptor:
    """Descriptor with help, unit, range, choices and when the parameter may change."""
    unit = f' [{item.unit}]' if item.unit else ''
    descriptor = ParameterDescriptor(description=f'{item.help}{unit}')
    choices = f'one of: {", ".join(map(str, item.choices))}; ' if item.choices else ''
    when = 'changes at run time' if item.runtime else 'changes only while unconfigured'
    descriptor.additional_constraints = choices + when
    if item.low is None or item.high is None:
        return descriptor
    if isinstance(item.default, int):
        limits = IntegerRange(from_value=int(item.low), to_value=int(item.high))
        descriptor.integer_range = [limits]
    elif isinstance(item.default, float):
        span = FloatingPointRange(from_value=float(item.low), to_value=float(item.high))
        descriptor.floating_point_range = [span]
    return descriptor


def _build(values: dict[str, Any]) -> _Built:
    """All configurations from one flat mapping."""
    node, engine, recognizer, mapping, storage, export = (
        {item.name: values[item.name] for item in settings_of(config_type)}
        for config_type in CONFIG_TYPES
    )
    return (
        NodeConfig.from_dict(node),
        EngineConfig.from_dict(engine),
        RecognizerConfig.from_dict(recognizer),
        MappingConfig.from_dict(mapping),
        MapConfig.from_dict(storage),
        ExportConfig.from_dict(export),
    )


def _plain(value: Any) -> Any:
    """Arrays of parameters as lists."""
    return list(value) if hasattr(value, 'typecode') else value
