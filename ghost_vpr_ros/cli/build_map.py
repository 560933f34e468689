"""Build a map from images or a bag, or continue one.

A run that was killed continues where it stopped when the same command is given again with
--append; --append also adds a further source as a new session of the map.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.deciding import deciding_text
from ghost_vpr_ros.cli.model_options import (
    add_engine_options,
    add_model_options,
    chosen_model,
    file_model,
    is_weights_file,
)
from ghost_vpr_ros.cli.options import add_settings, add_where, config_from, where_from
from ghost_vpr_ros.cli.positions import located, near_each_other
from ghost_vpr_ros.cli.progress import progress_bar, say_warnings
from ghost_vpr_ros.cli.sources import opened, plain_images_reported
from ghost_vpr_ros.cli.table import add_json_option, brief, print_result
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.errors import ConfigError, GhostVprError, MapError
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.output_files import check_writable

if TYPE_CHECKING:
    from ghost_vpr_ros.cli.model_options import Model
    from ghost_vpr_ros.core.map.place_map import PlaceMap
    from ghost_vpr_ros.replay.descriptors.stored import StoredDescriptors
    from ghost_vpr_ros.replay.map_builder import BuildResult
    from ghost_vpr_ros.replay.sources.image_sources import ImageSource


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'source', metavar='SOURCE', help='folder of images, CSV manifest, or bag (ROS 1 or 2)'
    )
    parser.add_argument('map', metavar='MAP', type=Path, help='the map file to write')
    parser.add_argument(
        '--append', action='store_true', help='continue or extend the map if it exists'
    )
    parser.add_argument(
        '--session', help="name of this run in the map (default: the source's name)"
    )
    parser.add_argument(
        '--descriptors',
        metavar='DIR',
        type=Path,
        help='take the descriptors, and the network, from this folder of ghost-vpr describe',
    )
    add_where(parser)
    add_json_option(parser)
    add_engine_options(parser)
    add_settings(parser, MapConfig)
    add_settings(parser, ImageConfig)
    add_settings(parser.add_argument_group('bags'), BagTopics)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Build or continue the map and print its content."""
    config, topics = config_from(args, MapConfig), config_from(args, BagTopics)
    _check_place(args.map, args.append)
    where = where_from(args.where)
    source = near_each_other(located(opened(args, args.source, where=where, topics=topics)))
    stored = _stored(args)
    place_map, model = _open_map(args, source, config)
    try:
        with place_map, plain_images_reported(source) as (watched,):
            result = _fill(args, place_map, model, watched, config, stored)
            summary = _summary(place_map, model, result)
    except BaseException:
        _remove_if_empty(args.map)
        raise
    shown = summary if args.json else {**summary, 'weights': brief(str(summary['weights']))}
    print_result(shown, args.json)
    return 0


def _check_place(path: Path, append: bool) -> None:
    """Check the output file before the images are described."""
    if path.is_dir():
        raise MapError(f'{path} is a folder; name a file in it, such as {path / "places.map"}')
    if path.exists() and not append:
        raise MapError(
            f'{path}: the file exists already and is not changed; choose another name, or '
            'add --append to continue or extend that map'
        )
    check_writable(path.parent)


def _stored(args: argparse.Namespace) -> StoredDescriptors | None:
    """The descriptors of --descriptors; --model is set to their network."""
    if args.descriptors is None:
        return None
    from ghost_vpr_ros.replay.descriptors.stored import StoredDescriptors

    stored = StoredDescriptors(args.descriptors)
    if args.model is not None:
        raise ConfigError(
            f'--model {args.model}: the descriptors in {args.descriptors} have their network with '
            'them; leave one of both options out'
        )
    args.model = str(stored.model_path)
    return stored


def _open_map(
    args: argparse.Namespace, source: ImageSource, config: MapConfig
) -> tuple[PlaceMap, Model]:
    from ghost_vpr_ros.core.opened_map import create_map

    if args.map.exists():
        return _open_existing(args, config)

    model = chosen_model(args, source.frames, source.name)
    return create_map(args.map, model, config), model


def _open_existing(args: argparse.Namespace, config: MapConfig) -> tuple[PlaceMap, Model]:
    """The map with its stored model; a weights file that is given must be the same."""
    from ghost_vpr_ros.core.map.place_map import PlaceMap

    wanted = file_model(args).model_hash if is_weights_file(args.model) else None
    place_map = PlaceMap.open(args.map, writable=True, expected_model_hash=wanted, config=config)
    say_warnings(place_map)
    return place_map, place_map.model()


def _fill(
    args: argparse.Namespace,
    place_map: PlaceMap,
    model: Model,
    source: ImageSource,
    config: MapConfig,
    stored: StoredDescriptors | None,
) -> BuildResult:
    from ghost_vpr_ros.core.engine import create_engine
    from ghost_vpr_ros.replay.map_builder import add_frames, check_described_images

    session = args.session or source.short_name
    engine = create_engine(model, config_from(args, EngineConfig))
    try:
        with closing(engine), progress_bar(len(source), 'build map') as progress:
            if stored is not None:
                ends = source.frames[:: len(source) - 1 or 1]
                described = [(frame, stored.of(frame)) for frame in ends]
                check_described_images(described, args.descriptors, model, engine)
            return add_frames(
                place_map,
                session,
                source.frames,
                model,
                engine,
                config,
                stored=stored,
                progress=progress,
            )
    except GhostVprError as error:
        raise _explained(error, place_map) from error


def _explained(error: GhostVprError, place_map: PlaceMap) -> GhostVprError:
    """The same error, with the state of the map."""
    if not len(place_map):
        return error
    return type(error)(
        f'{error}; {place_map.path} holds {len(place_map)} keyframes: solve this and give the '
        'command again with --append to continue'
    )


def _remove_if_empty(path: Path) -> None:
    """Remove a map without keyframes."""
    from ghost_vpr_ros.core.map.place_map import PlaceMap

    try:
        with PlaceMap.open(path) as place_map:
            is_empty = len(place_map) == 0
    except GhostVprError:
        return
    if is_empty:
        path.unlink()


def _summary(place_map: PlaceMap, model: Model, result: BuildResult) -> dict[str, object]:
    return {
        'map': str(place_map.path),
        'session': result.session,
        'keyframes_added': result.added,
        'keyframes_present_before': result.present,
        'keyframes': len(place_map),
        'frame': place_map.map_frame,
        'decides': deciding_text(place_map),
        'model': model.name,
        'weights': model.provenance,
        'descriptor_dim': model.descriptor_dim,
    }
