"""Find the places of images in a map: a table, or in a pipe one JSON line for each candidate.

Without --model the network that is stored in the map is used.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghost_vpr_ros.cli.model_options import add_engine_options
from ghost_vpr_ros.cli.options import add_settings, config_from
from ghost_vpr_ros.cli.progress import say_warnings
from ghost_vpr_ros.cli.table import add_table_or_json_option, figure_rows, is_table
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.image import ImageConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.errors import OutputError, SourceError
from ghost_vpr_ros.replay.output_files import check_writable, without_nan, write_file

if TYPE_CHECKING:
    from ghost_vpr_ros.core.datatypes import Candidate, Hypothesis
    from ghost_vpr_ros.core.model.vpr_model import VprModel
    from ghost_vpr_ros.core.recognizer import PlaceRecognizer
    from ghost_vpr_ros.replay.evaluation.match_sheet import Tile

_TILES_IN_ROW = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        'map', metavar='MAP', type=Path, help='map file, or address of a shared map'
    )
    parser.add_argument(
        'images', metavar='IMAGE', nargs='+', type=Path, help='image files, or folders of them'
    )
    parser.add_argument('--model', metavar='WEIGHTS', help='weights that made the map')
    parser.add_argument(
        '--sheet', metavar='JPEG', type=Path, help='write a picture of queries and candidates'
    )
    parser.add_argument(
        '--attention',
        metavar='JPEG',
        type=Path,
        help='write a picture of the cells that each query and its best candidate match by',
    )
    add_table_or_json_option(parser)
    add_engine_options(parser)
    add_settings(parser, RecognizerConfig)
    add_settings(parser, ImageConfig)


def run(args: argparse.Namespace) -> int:
    """Print the candidates of every image and write the sheet."""
    from ghost_vpr_ros.core.datatypes import UNKNOWN_STAMP_NS
    from ghost_vpr_ros.core.image import read_image, valid_text
    from ghost_vpr_ros.core.recognizer import PlaceRecognizer

    config, image_config = config_from(args, RecognizerConfig), config_from(args, ImageConfig)
    args.images = _image_files(args.images)
    for picture in (args.sheet, args.attention):
        if picture is not None:
            _check_picture(picture, args)
    rows, attention = [], []
    with PlaceRecognizer.open(
        args.map, args.model, config_from(args, EngineConfig), config
    ) as recognizer:
        say_warnings(recognizer.place_map)
        network = None if args.attention is None else _network_of_cells(recognizer)
        for path in args.images:
            image = read_image(path, image_config, recognizer.least_side_px)
            hypothesis = recognizer.recognize(image, UNKNOWN_STAMP_NS)
            _print(json_lines(valid_text(str(path)), hypothesis), as_table=is_table(args))
            if args.sheet is not None:
                rows.append(_tiles(recognizer, path, image, hypothesis))
            if network is not None:
                tiles = _tiles(recognizer, path, image, hypothesis)
                attention.append(_attention_tiles(network, tiles[:2]))
    if args.sheet is not None:
        subtitle = 'blue: query · grey: candidates, best first, with their similarity'
        _write_sheet(args.sheet, args.map, subtitle, rows)
    if args.attention is not None:
        subtitle = 'bright: cells that the query and its best candidate are similar by'
        _write_sheet(args.attention, args.map, subtitle, attention)
    return 0


def _image_files(paths: Sequence[Path]) -> list[Path]:
    """The given images, and those of given folders.

    Raises:
        SourceError: a folder holds none.
    """
    from ghost_vpr_ros.replay.sources.image_sources import list_images

    files: list[Path] = []
    for path in paths:
        found = list_images(path) if path.is_dir() else [path]
        if not found:
            raise SourceError(
                f'{path}: expected images in this folder, found none; check the path'
            )
        files += found
    return files


def _print(lines: list[dict[str, Any]], *, as_table: bool) -> None:
    if not as_table:
        for line in lines:
            print(json.dumps(without_nan(line), ensure_ascii=False), flush=True)
        return
    first = lines[0]
    answer = first['state'] + (f' ({first["reason"]})' if first['reason'] != 'NONE' else '')
    print(f'{first["image"]}: {answer}')
    cells = [
        [line['rank'], line['similarity'], line['probability'], line['session'], line['name']]
        for line in lines
        if line['rank']
    ]
    rows = figure_rows(['rank', 'similarity', 'probability', 'session', 'image'], cells)
    print('\n'.join(f'  {row}' for row in rows), flush=True)


def json_lines(image: str, hypothesis: Hypothesis) -> list[dict[str, Any]]:
    """One object for each candidate; a single one with rank 0 where there is no candidate."""
    answer = {'state': hypothesis.state.value, 'reason': hypothesis.reason.value}
    if not hypothesis.candidates:
        return [{'image': image, 'rank': 0, **answer}]
    return [
        {'image': image, 'rank': rank, **_candidate_values(candidate), **answer}
        for rank, candidate in enumerate(hypothesis.candidates, start=1)
    ]


def _candidate_values(candidate: Candidate) -> dict[str, Any]:
    keyframe = candidate.keyframe
    values: dict[str, Any] = {
        'keyframe_id': keyframe.keyframe_id,
        'similarity': round(candidate.similarity, 6),
        'probability': candidate.probability,
        'name': keyframe.name,
        'session': keyframe.session,
        'stamp_ns': keyframe.stamp_ns,
        'position_m': None,
    }
    if keyframe.pose is not None:
        values['position_m'] = [round(float(v), 4) for v in keyframe.pose.position_m]
    if keyframe.geo is not None:
        values['latitude_deg'] = keyframe.geo.latitude_deg
        values['longitude_deg'] = keyframe.geo.longitude_deg
    return values


def _check_picture(picture: Path, args: argparse.Namespace) -> None:
    """Refuse to overwrite an input of this command with the picture."""
    read = {path.resolve(): 'one of the images' for path in args.images}
    if args.model is not None:
        read[Path(args.model).resolve()] = 'the weights file'
    read[args.map.resolve()] = 'the map'
    what = read.get(picture.resolve())
    if what is not None:
        raise OutputError(f'{picture}: is {what}; name another file for the picture')
    check_writable(picture.parent)


def _tiles(
    recognizer: PlaceRecognizer, path: Path, image: Any, hypothesis: Hypothesis
) -> list[Tile]:
    from ghost_vpr_ros.replay.evaluation.match_sheet import Tile, TileMark

    answer = f'{hypothesis.state.value}, {hypothesis.reason.value}'.removesuffix(', NONE')
    tiles = [Tile(image, (answer, path.name), TileMark.QUERY)]
    for candidate in hypothesis.candidates[: _TILES_IN_ROW - 1]:
        tiles.append(_candidate_tile(recognizer, candidate))
    return tiles


def _network_of_cells(recognizer: PlaceRecognizer) -> VprModel:
    """The network of the map, in PyTorch; refused if its descriptors are not made of cells."""
    from ghost_vpr_ros.core.model.vpr_model import VprModel
    from ghost_vpr_ros.core.model.weights import load_network
    from ghost_vpr_ros.core.model.weights_file import StoredModel

    stored = recognizer.model
    model = load_network(stored) if isinstance(stored, StoredModel) else stored
    if not isinstance(model, VprModel):
        raise OutputError(
            '--attention: expected a network of this package, whose cells are known; '
            'leave the option out'
        )
    return model


def _attention_tiles(model: VprModel, tiles: list[Tile]) -> list[Tile]:
    """The query, the cells that match its best candidate, the matching cells there, and that.

    Args:
        model: describes the images.
        tiles: the query, and its best candidate where it has one.
    """
    from ghost_vpr_ros.replay.evaluation.attention import cell_terms, described, overlay
    from ghost_vpr_ros.replay.evaluation.match_sheet import Tile, TileMark

    if len(tiles) < 2:
        return tiles
    image, view = tiles[0].image, tiles[1].image
    seen, found = described(model, image), described(model, view)
    for picture, other, name in ((image, found, 'query'), (view, seen, 'candidate')):
        shown = overlay(picture, cell_terms(model, picture, other))
        tiles.append(Tile(shown, (f'cells of the {name}',), TileMark.UNJUDGED))
    return [tiles[0], tiles[2], tiles[3], tiles[1]]


def _candidate_tile(recognizer: PlaceRecognizer, candidate: Candidate) -> Tile:
    from ghost_vpr_ros.replay.evaluation.match_sheet import Tile, picture_of_view

    keyframe = candidate.keyframe
    view = recognizer.place_map.view(keyframe.keyframe_id)
    picture = picture_of_view(view, keyframe.name)
    text = f'{candidate.similarity:.3f} · keyframe {keyframe.keyframe_id}'
    return Tile(picture, (text, f'{keyframe.session} · {keyframe.name}'))


def _write_sheet(sheet: Path, map_path: Path, subtitle: str, rows: list[list[Tile]]) -> None:
    from ghost_vpr_ros.core.image import encode_jpeg
    from ghost_vpr_ros.replay.evaluation.match_sheet import draw_sheet

    queries = '1 query' if len(rows) == 1 else f'{len(rows)} queries'
    picture = draw_sheet(f'{queries} in {map_path.name}', subtitle, rows)
    write_file(sheet, encode_jpeg(picture))
