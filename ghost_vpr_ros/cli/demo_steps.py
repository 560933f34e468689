"""The steps of the demonstration, each with one line of result."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ghost_vpr_ros.cli.demo_data import DemoData, town_data, user_data
from ghost_vpr_ros.cli.demo_node import NodeRun, ros_is_missing, run_node
from ghost_vpr_ros.cli.evaluate import describe_model, picture_title, recall_lines
from ghost_vpr_ros.cli.model_options import model_or_untrained
from ghost_vpr_ros.cli.odometry import known_odometry
from ghost_vpr_ros.cli.options import config_from
from ghost_vpr_ros.cli.positions import reference_text
from ghost_vpr_ros.cli.progress import progress_bar
from ghost_vpr_ros.cli.replay import replay_title
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.map import MapConfig
from ghost_vpr_ros.core.config.recognizer import RecognizerConfig
from ghost_vpr_ros.core.datatypes import State
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.image import encode_jpeg
from ghost_vpr_ros.core.map.place_map import PlaceMap
from ghost_vpr_ros.core.opened_map import create_map
from ghost_vpr_ros.core.recognizer import PlaceRecognizer
from ghost_vpr_ros.core.sampling import evenly_spaced
from ghost_vpr_ros.replay.bags.topics import BagTopics
from ghost_vpr_ros.replay.config import DemoConfig, EvaluationConfig
from ghost_vpr_ros.replay.evaluation.evaluation_report import write_evaluation
from ghost_vpr_ros.replay.evaluation.evaluator import evaluate
from ghost_vpr_ros.replay.evaluation.replay_report import write_replay
from ghost_vpr_ros.replay.evaluation.replayer import judge, replay
from ghost_vpr_ros.replay.evaluation.verdicts import accepted_text, replay_verdict
from ghost_vpr_ros.replay.map_builder import add_frames, remove_map, removed_on_failure
from ghost_vpr_ros.replay.output_files import (
    make_output_folder,
    output_folder,
    write_file,
    write_json,
)
from ghost_vpr_ros.replay.sources.image_sources import open_source

if TYPE_CHECKING:
    from ghost_vpr_ros.cli.model_options import Model

_NUM_STEPS = 5
_NODE_JPEG_QUALITY = 95


def run_demo(args: argparse.Namespace) -> int:
    """Run all steps, print their results and write `summary.json`; 1 if the node failed."""
    demo, judgement = config_from(args, DemoConfig), config_from(args, EvaluationConfig)
    with output_folder(args.out):
        return _run_steps(args, demo, judgement)


def _run_steps(args: argparse.Namespace, demo: DemoConfig, judgement: EvaluationConfig) -> int:
    _announce(1, 'images')
    data = town_data(args, judgement) if args.data is None else user_data(args, demo, judgement)
    print(f'  {data.name}: {data.division.sentence}')

    _announce(2, 'map')
    map_path, model = _build(args, data)
    print(f'  {map_path}: {len(data.division.database)} keyframes, {model.name}')
    print(f'  weights: {model.model_hash[:12]}; `ghost-vpr info` shows their origin')

    _announce(3, 'evaluation')
    metrics = _evaluate(args, data, map_path, model, judgement)
    print('\n'.join('  ' + line for line in recall_lines(metrics['recall'])))

    _announce(4, 'replay of the bag, offline')
    replayed = _replay(args, data, map_path, judgement)
    print('\n'.join('  ' + line for line in replay_verdict(replayed)))

    _announce(5, 'the node, over Fast DDS')
    node = _node(data, map_path, demo, replayed['latency_ms'])
    summary = {'data': data.name, 'protocol': data.division.sentence, 'evaluation': metrics}
    write_json(data.folder / 'summary.json', {**summary, 'replay': replayed, 'node': node})
    _print_pictures(data)
    return 1 if node['problem'] else 0


def _announce(number: int, what: str) -> None:
    print(f'\n[{number}/{_NUM_STEPS}] {what}', flush=True)


def _build(args: argparse.Namespace, data: DemoData) -> tuple[Path, Model]:
    """A new map of the database; the map of an earlier demonstration is replaced."""
    frames = data.division.database.frames
    model = model_or_untrained(args, frames, data.name)
    make_output_folder(data.folder)
    map_path = data.folder / 'places.map'
    remove_map(map_path)
    with (
        closing(create_engine(model, config_from(args, EngineConfig))) as engine,
        removed_on_failure(map_path),
        create_map(map_path, model) as place_map,
        progress_bar(len(frames), 'build map') as progress,
    ):
        add_frames(place_map, data.name, frames, model, engine, MapConfig(), progress=progress)
    return map_path, model


def _evaluate(
    args: argparse.Namespace,
    data: DemoData,
    map_path: Path,
    model: Model,
    judgement: EvaluationConfig,
) -> dict[str, Any]:
    division = data.division
    with PlaceMap.open(map_path) as place_map:
        descriptors = place_map.descriptors()
    with (
        closing(create_engine(model, config_from(args, EngineConfig))) as engine,
        progress_bar(len(division.queries), 'evaluate') as progress,
    ):
        evaluation = evaluate(
            division.database.frames,
            division.queries.frames,
            division.truth,
            model,
            engine,
            descriptors=descriptors,
            progress=progress,
        )
    described = {
        'descriptor_dim': model.descriptor_dim,
        'model': describe_model(model),
        'protocol': {'division': division.sentence, **division.truth.protocol},
    }
    title = picture_title(division.database, division.queries, division.truth, model)
    folder = make_output_folder(data.folder / 'evaluation')
    return write_evaluation(evaluation, described, title, judgement.sheet_rows, folder)


def _replay(
    args: argparse.Namespace, data: DemoData, map_path: Path, judgement: EvaluationConfig
) -> dict[str, Any]:
    frames, odometry = open_source(data.bag).frames, known_odometry(str(data.bag), '')
    with PlaceRecognizer.open(
        map_path, engine=config_from(args, EngineConfig), config=RecognizerConfig()
    ) as recognizer:
        with progress_bar(len(frames), 'replay') as progress:
            answers = replay(frames, recognizer, odometry, progress=progress)
        evaluation = judge(answers, recognizer.place_map, judgement.positive_distance_m)
        reference = {'reference': reference_text(str(data.bag), None, BagTopics())}
        judged = {} if evaluation is None else {**evaluation.truth.protocol, **reference}
        described = {'protocol': {'bag': str(data.bag), 'map': str(map_path), **judged}}
        title = replay_title(data.bag.name, map_path.name, evaluation, recognizer.model.name)
        folder = make_output_folder(data.folder / 'replay')
        return write_replay(
            answers,
            evaluation,
            described,
            title,
            judgement.sheet_rows,
            folder,
            recognizer.place_map,
        )


def _node(
    data: DemoData, map_path: Path, demo: DemoConfig, latency_ms: dict[str, dict[str, float]]
) -> dict[str, Any]:
    """Publish queries to the node, compare its answers with the ground truth, print one line."""
    if ros_is_missing():
        print('  not run: this Python has no rclpy; source a ROS 2 set-up or install [ros]')
        return {'published': 0, 'answered': 0, 'lost': 0, 'problem': '', 'skipped': 'no rclpy'}
    folder = make_output_folder(data.folder / 'node')
    chosen = evenly_spaced(len(data.division.queries), demo.node_images)
    rate_hz = _bearable_rate(demo.node_rate_hz, latency_ms)
    images = make_output_folder(folder / 'images')
    query_of = _write_images(data, chosen, images)
    run = run_node(map_path, images, rate_hz, folder)
    result = {**_judged(run, data, map_path, query_of), 'rate_hz': rate_hz}
    print(
        f'  {result["published"]} images published at {rate_hz:.1f} Hz, {result["answered"]} '
        f'answered ({result["lost"]} lost), {result["right"]} with the right place first, '
        f'{accepted_text(*(result[f"accepted{kind}"] for kind in ("", "_right", "_wrong")))}; '
        f'{result["latency_ms_p50"]:.0f} ms from image to answer (median)'
    )
    if run.problem:
        print(f'  problem: {run.problem}')
    return {**result, 'problem': run.problem}


def _bearable_rate(wanted_hz: float, latency_ms: dict[str, dict[str, float]]) -> float:
    """A rate limited so that this machine is idle half of the time and drops no image."""
    usual_ms = sum(stage['p50'] for stage in latency_ms.values())
    return min(wanted_hz, 1e3 / (2 * usual_ms)) if usual_ms else wanted_hz


def _write_images(data: DemoData, chosen: list[int], folder: Path) -> dict[str, int]:
    """Write the files for the image publisher to an empty folder; the queries by file name."""
    for old in folder.glob('*.jpg'):
        old.unlink()
    query_of = {f'query_{place:04d}.jpg': query for place, query in enumerate(chosen)}
    for name, query in query_of.items():
        _write_jpeg(folder / name, data.division.queries.frames[query].load())
    return query_of


def _write_jpeg(path: Path, image: NDArray[np.uint8]) -> None:
    write_file(path, encode_jpeg(image, _NODE_JPEG_QUALITY))


def _judged(
    run: NodeRun, data: DemoData, map_path: Path, query_of: dict[str, int]
) -> dict[str, Any]:
    """Counts and latency; an image without an answer is lost."""
    latency_ms = [float(answer['latency_ms']) for answer in run.answers.values()]
    with PlaceMap.open(map_path) as place_map:
        row_of = {str(key): row for row, key in enumerate(place_map.keyframe_ids())}
    positives = data.division.truth.positives
    right = {
        name: row_of.get(answer.get('keyframe_id', ''), -1) in positives.rows(query_of[name])
        for name, answer in run.answers.items()
    }
    accepted = [right[name] for name, answer in run.answers.items() if _is_accepted(answer)]
    return {
        'published': len(run.published),
        'answered': len(run.answers),
        'lost': len(run.published) - len(run.answers),
        'right': sum(right.values()),
        'accepted': len(accepted),
        'accepted_right': sum(accepted),
        'accepted_wrong': len(accepted) - sum(accepted),
        'latency_ms_p50': float(np.median(latency_ms)) if latency_ms else float('nan'),
    }


def _is_accepted(answer: dict[str, str]) -> bool:
    return answer.get('state') == State.ACCEPTED.value


def _print_pictures(data: DemoData) -> None:
    folder = data.folder
    print(f'\nPictures, in {folder}:')
    pictures = (
        ('replay/report.html', 'the replay on one page, for a browser'),
        ('evaluation/report.html', 'the evaluation on one page'),
        ('evaluation/matches.jpg', 'queries and their candidates'),
        ('evaluation/worst_failures.jpg', 'where it went wrong'),
        ('evaluation/recall.png', 'recall over the number of candidates'),
        ('replay/top_down.png', 'the replay from above'),
    )
    for name, what in pictures:
        if (folder / name).is_file():
            print(f'  {name:<32}{what}')
    print(f'All figures: {folder / "summary.json"}')
