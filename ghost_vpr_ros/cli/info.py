"""Show the content of a map or a weights file; by default, of the weights of this package."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.deciding import deciding_text
from ghost_vpr_ros.cli.progress import say_warnings
from ghost_vpr_ros.cli.table import add_json_option, print_result
from ghost_vpr_ros.core.errors import SourceError
from ghost_vpr_ros.core.fleet.database import SharedAddress, shared_address
from ghost_vpr_ros.core.model.shipped import weights_path

if TYPE_CHECKING:
    from ghost_vpr_ros.core.map.reader import MapReader
    from ghost_vpr_ros.core.model.weights_file import StoredModel

_SQLITE_START = b'SQLite format 3\0'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'file',
        metavar='MAP|WEIGHTS',
        type=Path,
        nargs='?',
        help='map, weights file, .onnx, torchvision:NAME, or address of a shared map; default: '
        'the weights of this package',
    )
    parser.add_argument(
        '--check',
        action='store_true',
        help='read all of a map and compare it with its checksums; status 1 where it is damaged',
    )
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print the description of the file."""
    from ghost_vpr_ros.core.engine.networks_of_others import is_of_others

    path = _shipped_weights() if args.file is None else weights_path(args.file)
    shared = shared_address(path)
    if args.check:
        return _check(path, args.json)
    if shared is not None:
        print_result(_describe_shared(shared), args.json)
        return 0
    is_network = is_of_others(path) or not is_map(path)
    describe = _describe_weights if is_network else _describe_map
    print_result(describe(path), args.json)
    return 0


def _shipped_weights() -> Path:
    from ghost_vpr_ros.core.model import default_weights

    return default_weights.default_weights_path()


def is_map(path: Path) -> bool:
    """Whether a file is a map; else it is read as weights.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        with path.open('rb') as file:
            return file.read(len(_SQLITE_START)) == _SQLITE_START
    except OSError as error:
        reason = error.strerror or 'unreadable'
        raise SourceError(
            f'{path}: expected a map or a weights file, found none ({reason}); check the path'
        ) from error


def _describe_map(path: Path) -> dict[str, Any]:
    from ghost_vpr_ros.core.map.place_map import PlaceMap

    with PlaceMap.open(path) as place_map:
        say_warnings(place_map)
        size_mb = round(path.stat().st_size / 1e6, 2)
        return {'kind': 'map', 'path': str(path), 'size_mb': size_mb, **_map_values(place_map)}


def _check(path: Path, as_json: bool) -> int:
    """Verify the checksums of a map; 1 if a part differs from what was written."""
    from ghost_vpr_ros.core.map.place_map import PlaceMap

    if shared_address(path) is not None or not is_map(path):
        raise SourceError(f'{path}: expected a map file with --check, found none')
    with PlaceMap.open(path) as place_map:
        say_warnings(place_map)
        place_map.model()
        found = place_map.check()
        values = {
            'path': str(path),
            'keyframes': len(place_map) + place_map.damaged_keyframes,
            'checksums': place_map.has_checksums,
            'damaged_keyframes': found.keyframes,
            'damaged_views': found.views,
            'structure': found.structure,
        }
    print_result(values, as_json)
    is_sound = not (found.keyframes or found.views) and found.structure == 'ok'
    return 0 if is_sound else 1


def _describe_shared(address: SharedAddress) -> dict[str, Any]:
    from ghost_vpr_ros.core.fleet.shared_map import SharedMap

    with SharedMap.at(address) as shared:
        return {'kind': 'shared map', 'address': str(address), **_map_values(shared)}


def _map_values(place_map: MapReader) -> dict[str, Any]:
    origin = place_map.origin
    return {
        'keyframes': len(place_map),
        'revision': place_map.revision,
        'frame': place_map.map_frame,
        'origin': None if origin is None else vars(origin),
        'sessions': {s.name: _session(s) for s in place_map.sessions()},
        'calibration': _calibration(place_map.calibration),
        'decides': deciding_text(place_map),
        'model': _model_values(place_map.model()),
    }


def _calibration(calibration: Any) -> str | dict[str, Any]:
    if calibration is None:
        return 'none, see ghost-vpr calibrate'
    return dict(vars(calibration))


def _session(session: Any) -> dict[str, Any]:
    return {
        'keyframes': session.count,
        'first_stamp_ns': _known_stamp(session.first_stamp_ns),
        'last_stamp_ns': _known_stamp(session.last_stamp_ns),
    }


def _known_stamp(stamp_ns: int) -> int | None:
    from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS

    return None if stamp_ns == UNKNOWN_STAMP_NS else stamp_ns


def _describe_weights(path: Path) -> dict[str, Any]:
    from ghost_vpr_ros.core.engine.networks_of_others import stored_model

    model = stored_model(path)
    size_mb = round(len(model.data) / 1e6, 2)
    return {'kind': 'weights', 'path': str(path), 'size_mb': size_mb, **_model_values(model)}


def _model_values(model: StoredModel) -> dict[str, Any]:
    config = model.description.config
    return {
        'name': model.name,
        'hash': model.model_hash,
        'weights': model.provenance,
        'descriptor_dim': model.descriptor_dim,
        'parameters': model.num_parameters,
        'architecture': 'a graph made elsewhere' if config is None else config.to_dict(),
        'preprocessing': model.preprocessing.to_dict(),
    }
