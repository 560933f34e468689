"""Options for the network and its engine, shared by the commands that describe images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ghost_vpr_ros.cli.options import add_settings, config_from, given_settings, option_name
from ghost_vpr_ros.cli.progress import progress_bar, say
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.config.model import ModelConfig, PreprocessingConfig
from ghost_vpr_ros.core.errors import ConfigError
from ghost_vpr_ros.core.model.shipped import DEFAULT, SHIPPED
from ghost_vpr_ros.replay.config import InitialisationConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ghost_vpr_ros.core.datatypes import Frame, Progress
    from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftVlad
    from ghost_vpr_ros.core.model.vpr_model import VprModel
    from ghost_vpr_ros.core.model.weights_file import StoredModel

    Model = VprModel | StoredModel
    AnyModel = Model | RootSiftVlad

UNTRAINED = 'untrained'
"""Value of --model for an untrained network."""

PACKAGE = 'package'
"""Name of the shipped weights where several networks are given."""

UNTRAINED_CONFIGS = (PreprocessingConfig, ModelConfig, InitialisationConfig)
"""Settings of the untrained network; the first also apply to other networks."""


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add the engine's options, with the defaults of the configuration."""
    add_settings(parser, EngineConfig)
    parser.set_defaults(**EngineConfig().to_dict())


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add `--model WEIGHTS` and, for the untrained network, its architecture and input size."""
    add_model_option(parser)
    add_model_settings(parser)


def add_model_settings(parser: argparse.ArgumentParser, named_by: str = '--model ') -> None:
    """Add the input of foreign networks, and the architecture of the untrained one.

    Args:
        parser: of the command.
        named_by: the option that names the network, for the headings.
    """
    others = parser.add_argument_group(f'with {named_by}{UNTRAINED}, .onnx or torchvision:NAME')
    add_settings(others, PreprocessingConfig)
    group = parser.add_argument_group(f'with {named_by}{UNTRAINED}')
    for config_type in UNTRAINED_CONFIGS[1:]:
        add_settings(group, config_type)


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Add `--model WEIGHTS` alone."""
    parser.add_argument(
        '--model',
        metavar='WEIGHTS',
        help=f'weights file (.safetensors), {" or ".join(SHIPPED)} (weights of this package, '
        f'default: {DEFAULT}), foreign network (.onnx, or torchvision:NAME), or {UNTRAINED}',
    )


def is_weights_file(model: str | None) -> bool:
    """Whether `--model` was given and names a file."""
    return model not in (None, UNTRAINED)


def chosen_model(args: argparse.Namespace, frames: Sequence[Frame], what: str) -> Model:
    """The model of `--model`: the shipped weights, a file, or an untrained network.

    Args:
        args: with the options of `add_model_options`.
        frames: images to initialise an untrained network on; some, spread evenly, are used.
        what: these images, in words.

    Raises:
        WeightsError: the weights are missing, damaged or of another network.
        ConfigError: an option of the untrained network without `--model untrained`, or a bad
            value.
        ImageError: an image cannot be read.
    """
    _refuse_architecture(args)
    return model_or_untrained(args, frames, what)


def chosen_any_model(args: argparse.Namespace, frames: Sequence[Frame], what: str) -> AnyModel:
    """As `chosen_model`, or the baseline RootSIFT-VLAD if `--model` is such a file.

    Raises:
        WeightsError: the file is missing, damaged or of another network.
        ConfigError: as `chosen_model`.
        ImageError: an image cannot be read.
    """
    from ghost_vpr_ros.core.engine.networks_of_others import is_of_others

    if not is_weights_file(args.model) or is_of_others(args.model):
        return chosen_model(args, frames, what)
    from ghost_vpr_ros.core.model.any_model import open_any_model

    _refuse_architecture(args)
    return open_any_model(args.model)


def _refuse_architecture(args: argparse.Namespace) -> None:
    """Refuse options of an untrained network for other networks."""
    from ghost_vpr_ros.core.engine.networks_of_others import is_of_others

    configs = UNTRAINED_CONFIGS[1:] if is_of_others(args.model) else UNTRAINED_CONFIGS
    given = [name for config in configs for name in given_settings(args, config)]
    if args.model != UNTRAINED and given:
        raise ConfigError(
            f'{option_name(given[0])}: fixed by the weights; leave it out, or add --model '
            f'{UNTRAINED} for a network without training'
        )


def model_or_untrained(args: argparse.Namespace, frames: Sequence[Frame], what: str) -> Model:
    """As `chosen_model`, for a command that has `--model` without the untrained network's options.

    Raises:
        WeightsError: the weights are missing, damaged or of another network.
        ImageError: an image cannot be read.
    """
    if args.model == UNTRAINED:
        return _untrained(args, frames, what)
    from ghost_vpr_ros.core.model.default_weights import default_weights

    return default_weights() if args.model is None else file_model(args)


def file_model(args: argparse.Namespace) -> StoredModel:
    """The network that `--model` names: a weights file, an ONNX file or one of torchvision.

    Raises:
        WeightsError: missing, damaged, or no network that describes an image.
        ConfigError: a setting of its input is out of range, or fixed by the weights.
    """
    from ghost_vpr_ros.core.engine.networks_of_others import stored_model

    return stored_model(args.model, given_settings(args, PreprocessingConfig))


def _untrained(args: argparse.Namespace, frames: Sequence[Frame], what: str) -> VprModel:
    from ghost_vpr_ros.core.model.initialisation import build_untrained
    from ghost_vpr_ros.core.sampling import evenly_spaced

    start = config_from(args, InitialisationConfig)
    chosen = [frames[i] for i in evenly_spaced(len(frames), start.initialisation_images)]
    config, preprocessing = config_from(args, ModelConfig), config_from(args, PreprocessingConfig)
    with progress_bar(len(chosen), 'initialise') as progress:
        images = (_counted(frame, progress) for frame in chosen)
        model = build_untrained(config, preprocessing, images, start.seed)
    model.provenance = f'untrained: random weights of seed {start.seed}'
    if model.pooling.needs_features:
        model.provenance += (
            f', clusters initialised on {len(chosen)} of {len(frames)} images of {what}'
        )
    say(f'note: the network is {model.provenance}')
    return model


def _counted(frame: Frame, progress: Progress) -> NDArray[np.uint8]:
    image = frame.load()
    progress(1)
    return image
