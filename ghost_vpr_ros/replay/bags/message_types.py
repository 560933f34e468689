"""Bytes of a bag become messages, by the definitions in the bag or by those of ROS itself."""

from __future__ import annotations

from typing import Any

from rosbags.interfaces import Connection, ConnectionExtRosbag1, MessageDefinitionFormat
from rosbags.typesys import (
    Stores,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from ghost_vpr_ros.core.errors import BagError

_PART = '=' * 80 + '\n'


class MessageTypes:
    """Reads the messages of topics, each by its own definition, which is read when it is used."""

    def __init__(self) -> None:
        self._stores: dict[tuple[str, Any], Typestore] = {}

    def message(self, connection: Connection, data: bytes) -> Any:
        """The message in these bytes.

        Raises:
            BagError: the topic is not of ROS, or its definition cannot be used.
        """
        store = self._store(connection)
        if _is_ros1(connection):
            return store.deserialize_ros1(data, connection.msgtype)
        return store.deserialize_cdr(data, connection.msgtype)

    def _store(self, connection: Connection) -> Typestore:
        key = (connection.msgtype, connection.msgdef)
        if key not in self._stores:
            self._stores[key] = _store_of(connection)
        return self._stores[key]


def _is_ros1(connection: Connection) -> bool:
    return isinstance(connection.ext, ConnectionExtRosbag1)


def _store_of(connection: Connection) -> Typestore:
    """The types of one topic.

    Raises:
        BagError: names the topic and the fault.
    """
    topic, kind = connection.topic, connection.msgtype
    is_ros1 = _is_ros1(connection)
    encoding = 'ros1' if is_ros1 else getattr(connection.ext, 'serialization_format', 'cdr')
    if encoding not in ('ros1', 'cdr'):
        raise BagError(
            f'topic {topic}: expected messages of ROS 2 (cdr), found {encoding or "no encoding"}; '
            'record the topic with ros2 bag'
        )
    known = get_typestore(Stores.ROS1_NOETIC if is_ros1 else Stores.ROS2_JAZZY)
    definition = connection.msgdef
    if definition.format == MessageDefinitionFormat.NONE or not definition.data.strip():
        if kind in known.fielddefs:
            return known
        raise BagError(f'topic {topic}: the bag holds no definition of its type {kind}')
    try:
        store = get_typestore(Stores.EMPTY)
        store.register(_types_in(definition.data, definition.format, kind))
        digest = store.generate_msgdef(kind)[1] if is_ros1 else store.hash_rihs01(kind)
    except Exception as error:
        # Parsers of definitions raise exceptions of any kind.
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise BagError(
            f'topic {topic}: the definition of its type {kind} cannot be read ({reason}); record '
            'the topic again'
        ) from error
    if connection.digest not in ('', '*', digest):
        raise BagError(
            f'topic {topic}: the definition of its type {kind} does not fit its hash '
            f'{connection.digest}; record the topic again with one version of the type'
        )
    return store


def _types_in(text: str, kind_of_text: MessageDefinitionFormat, kind: str) -> Any:
    if kind_of_text == MessageDefinitionFormat.MSG:
        return get_types_from_msg(text, kind)
    if not text.startswith(f'{_PART}IDL: '):
        return get_types_from_idl(text)
    types: dict[str, Any] = {}
    for part in text.split(_PART)[1:]:
        types |= get_types_from_idl(part.split('\n', 1)[1])
    return types
