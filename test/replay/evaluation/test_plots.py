"""Plots and sheets: they show what they are given, and equal input gives equal bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from ghost_vpr_ros.replay.evaluation.calibration_fit import reliability_bins
from ghost_vpr_ros.replay.evaluation.match_sheet import Tile, TileMark, draw_sheet
from ghost_vpr_ros.replay.evaluation.metrics import precision_recall
from ghost_vpr_ros.replay.evaluation.plots import (
    ANSWER_STYLES,
    DrivenAnswer,
    png_of,
    precision_recall_plot,
    recall_plot,
    reliability_plot,
    top_down_plot,
)

GREEN, RED, BLUE = (42, 143, 69), (207, 48, 48), (47, 111, 178)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert('RGB'))


def count(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(picture.astype(int) - colour).max(axis=2) < 12).sum())


def test_a_recall_plot_is_the_same_in_every_run():
    first, second, other = (png_of(recall_plot([50.0, r], 'a')) for r in (75.0, 75.0, 80.0))
    assert first == second != other


def test_plots_take_figures_that_are_not_known():
    nothing = precision_recall(np.array([0.9]), np.array([False]), 0)
    assert pixels(png_of(precision_recall_plot(nothing, 'a'))).size
    assert pixels(png_of(recall_plot([float('nan')] * 20, 'a'))).size


def test_bins_of_few_answers_are_hollow_and_not_joined():
    stated = np.array([0.05] * 2 + [0.55] * 6 + [0.95] * 8)
    bins = reliability_bins(stated, stated > 0.5)
    joined, few = reliability_plot({'stated': bins}, 0.9, 'a').axes[0].lines[1:3]
    assert joined.get_xdata() == pytest.approx([0.55, 0.95])
    assert few.get_xdata() == pytest.approx([0.05])
    assert (few.get_linestyle(), few.get_markerfacecolor()) == ('None', 'none')


@pytest.mark.parametrize('kind', ANSWER_STYLES)
def test_the_top_down_map_shows_each_kind_in_its_colour(kind):
    keyframes = np.array([[0.0, 0.0], [50.0, 0.0]])
    answers = [DrivenAnswer(np.array([5.0 * i, 3.0]), keyframes[1], kind) for i in range(9)]
    colour = {'right': GREEN, 'found': GREEN, 'wrong': RED, 'another': RED}.get(
        next((word for word in ('right', 'found', 'wrong', 'another') if word in kind), ''), BLUE
    )
    without = count(pixels(png_of(top_down_plot(keyframes, [], 'a'))), colour)
    assert count(pixels(png_of(top_down_plot(keyframes, answers, 'a'))), colour) > without + 9 * 15


def test_only_accepted_wrong_answers_are_joined_to_their_keyframe():
    keyframes = np.array([[0.0, 0.0], [500.0, 100.0]])
    red = {}
    for kind in ('accepted, wrong', 'not accepted, best wrong'):
        answer = DrivenAnswer(keyframes[0], keyframes[1], kind)
        picture = pixels(png_of(top_down_plot(keyframes, [answer], 'a'))).astype(int)
        red[kind] = int((picture[..., 0] - picture[..., 1] > 60).sum())
    assert red['accepted, wrong'] > red['not accepted, best wrong'] + 200


def test_a_sheet_frames_right_and_wrong_tiles():
    image = np.zeros((30, 40, 3), np.uint8)
    right, wrong = (Tile(image, ('a',), v) for v in (TileMark.RIGHT, TileMark.WRONG))
    sheet = draw_sheet('title', 'subtitle', [[right, wrong], [right]])
    assert count(sheet, GREEN) == pytest.approx(2 * count(sheet, RED), rel=0.05)
    assert count(sheet, RED) > 2 * 5 * (240 + 180)


def test_tiles_keep_the_aspect_of_their_picture():
    wide = np.full((10, 400, 3), 255, np.uint8)
    tall = np.full((400, 10, 3), 10, np.uint8)
    sheet = draw_sheet('', '', [[Tile(wide, ()), Tile(tall, ())]])
    dark = np.argwhere((sheet == 10).all(axis=2))
    assert np.ptp(dark[:, 0]) > 10 * np.ptp(dark[:, 1])


def test_long_captions_stay_inside_their_tile():
    image = np.zeros((30, 40, 3), np.uint8)
    short, long = (draw_sheet('', '', [[Tile(image, (text,))]]) for text in ('a', 'long/' * 50))
    assert short.shape == long.shape
