"""The network at the start of training: from given weights, or with an untrained trunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ghost_vpr_ros.core.config.model import (
    MAX_INITIALISATION_IMAGES,
    POOLING_SETTINGS,
    SEMANTIC,
    ModelConfig,
)
from ghost_vpr_ros.core.datatypes import Frame
from ghost_vpr_ros.core.errors import ConfigError, WeightsError
from ghost_vpr_ros.core.model.initialisation import (
    build_untrained,
    initialise_pooling,
    needs_local_features,
)
from ghost_vpr_ros.core.model.provenance import clusters_sentence, without
from ghost_vpr_ros.core.model.reduction import Reduction
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.model.weights import load_model
from ghost_vpr_ros.core.preprocessing import preprocess
from ghost_vpr_ros.core.sampling import evenly_spaced
from training.datasets.data_config import expanded
from training.experiment import Experiment
from training.head.semantics import SemanticsConfig, labelled_frames
from training.loop.schedule import ScheduleConfig
from training.loop.trunk_memory import remember_trunk
from training.trunk.backbone_weights import take_backbone_weights

OF_TENSORS = ('backbone', 'squeeze_excite')
"""Settings that must agree for a trunk that is trained further; it adapts to other dilations."""

TRUNK_SETTINGS = (*OF_TENSORS, 'dilation', 'dilate')
"""Settings that must agree, some of which do not affect the shapes of tensors."""

_REDUCTION_SETTINGS = ('crop_channels', 'reduced_channels', 'rows', 'join')
"""Settings that must agree to copy the reduction as well."""


def starting_model(
    experiment: Experiment,
    database: Sequence[Frame],
    maps: Path | None = None,
    *,
    source: str = 'the training set',
    anew: bool = False,
) -> VprModel:
    """The experiment's network with weights and an initialised pooling.

    Tensors are copied by name from the weights file `init`, or the trunk from the torchvision file
    `backbone_weights`; without either the trunk is untrained. The pooling is initialised on
    training images if `init` has no matching one, or with `anew` or
    `schedule.initialise_clusters`. Poolings that start from label maps use the images of the
    section `semantics`. The whitening of `init` is dropped. The provenance lists the parts and
    their origins.

    Args:
        experiment: architecture, seed, weights to start from, schedule, label maps.
        database: training images; at most 500, spread evenly, initialise the clusters.
        maps: folder to cache the maps of a given, frozen trunk in; None: no cache.
        source: name of the images, for the provenance.
        anew: initialise the pooling even if `init` has a matching one.

    Raises:
        ConfigError: `model.descriptor_dim` is set, or no label maps are configured.
        WeightsError: the file is missing, damaged, or of another architecture.
        ImageError: an image cannot be read.
        SourceError: too few local features for K clusters, or label maps that do not match.
    """
    _check_whitening(experiment)
    if experiment.init:
        model, fits = _from_weights(experiment, maps)
        if fits and not (anew or experiment.section(ScheduleConfig).initialise_clusters):
            return model
        model.provenance = without(model.provenance, 'clusters')
        _set_pooling(model, experiment, database)
    elif experiment.backbone_weights:
        model = _bare_model(experiment)
        model.provenance = take_backbone_weights(model.backbone, experiment)
        _set_pooling(model, experiment, database)
    else:
        model = _untrained(experiment, database)
    _add_clusters_to_provenance(model, experiment, len(database), source)
    return model


def _untrained(experiment: Experiment, database: Sequence[Frame]) -> VprModel:
    images, label_maps = _first_images(experiment, database)
    model = build_untrained(
        experiment.model, experiment.preprocessing, images, experiment.seed, label_maps
    )
    model.provenance = f'untrained: random weights of seed {experiment.seed}'
    return model


def _from_weights(experiment: Experiment, maps: Path | None) -> tuple[VprModel, bool]:
    """The network with the trunk of `init`, and whether its pooling was copied as well."""
    path = expanded(experiment.init)
    given = load_model(path)
    model = _bare_model(experiment)
    model.provenance = without(given.provenance, 'whitening', 'projection')
    _take_trunk(model, given, path)
    remember_trunk(model, maps)
    return model, _take_pooling(model, given)


def _add_clusters_to_provenance(
    model: VprModel, experiment: Experiment, images: int, source: str
) -> None:
    """Add the images that the clusters were initialised on, if the pooling has clusters."""
    if model.pooling.needs_roles:
        labelled = experiment.section(SemanticsConfig).images or source
        model.provenance += clusters_sentence(f'label maps of {labelled}')
    elif model.pooling.needs_features:
        count = min(images, MAX_INITIALISATION_IMAGES)
        model.provenance += clusters_sentence(f'{count} of {images} images of {source}')


def _set_pooling(model: VprModel, experiment: Experiment, database: Sequence[Frame]) -> None:
    """Initialise the pooling; images are read only if it needs them."""
    inputs, label_maps = torch.empty(0), None
    if needs_local_features(model):
        images, label_maps = _first_images(experiment, database)
        made = [preprocess(image, experiment.preprocessing) for image in images]
        inputs = torch.from_numpy(np.concatenate(made))
    initialise_pooling(model, inputs, experiment.seed, label_maps)


def interrupted_model(experiment: Experiment) -> VprModel:
    """The experiment's network with arbitrary weights, to be replaced by a checkpoint.

    Raises:
        ConfigError: `model.descriptor_dim` is set.
    """
    _check_whitening(experiment)
    model = _bare_model(experiment)
    model.pooling.initialised = True
    if isinstance(model.reduction, Reduction):
        model.reduction.initialised = True
    return model


def _bare_model(experiment: Experiment) -> VprModel:
    with torch.random.fork_rng(devices=[]):
        return VprModel(experiment.model, experiment.preprocessing).eval()


def _check_whitening(experiment: Experiment) -> None:
    if experiment.model.descriptor_dim:
        raise ConfigError(
            f'model.descriptor_dim: expected 0 in training, found '
            f'{experiment.model.descriptor_dim}; learn the whitening after training, with `python '
            '-m training.whiten`'
        )


def _take_trunk(model: VprModel, given: VprModel, where: Path) -> None:
    """Load the trunk, or the needed first part of a longer one.

    The projections that join several rows are copied if the rows agree, and otherwise unchanged.

    Raises:
        WeightsError: another architecture.
    """
    check_same_trunk(model.config, given, where)
    tensors, own = given.backbone.state_dict(), model.backbone.state_dict()
    joint = {key: value for key, value in own.items() if key.startswith('joint.')}
    missing = sorted(own.keys() - joint.keys() - tensors.keys())
    if missing:
        raise WeightsError(
            f'{where}: expected a trunk of {model.config.trunk_channels} channels, found one of '
            f'{given.config.trunk_channels}, without {missing[0]!r}; set model.crop_channels or '
            'model.rows accordingly, or start from other weights'
        )
    taken = {**own, **{key: tensors[key] for key in own if key not in joint}}
    if model.config.rows == given.config.rows:
        taken.update({key: tensors[key] for key in joint})
    model.backbone.load_state_dict(taken)


def check_same_trunk(
    config: ModelConfig, given: VprModel, where: Path, names: Sequence[str] = TRUNK_SETTINGS
) -> None:
    """Check settings that must agree, beyond the shapes of the tensors.

    Args:
        config: the required architecture.
        given: the weights to copy.
        where: their file.
        names: settings of the architecture that must be equal.

    Raises:
        WeightsError: the weights are of another architecture.
    """
    for name in names:
        wanted, found = getattr(config, name), getattr(given.config, name)
        if wanted != found:
            raise WeightsError(
                f'{where}: expected weights with {name} {wanted}, found {found}; set model.{name} '
                'accordingly, or start from other weights'
            )


def _take_pooling(model: VprModel, given: VprModel) -> bool:
    """Copy the reduction and the pooling; False if the pooling differs or is not initialised."""
    if not _same(model, given, _REDUCTION_SETTINGS):
        return False
    if isinstance(given.reduction, Reduction) and given.reduction.initialised:
        model.reduction = given.reduction
    settings = ('pooling', *POOLING_SETTINGS[model.config.pooling])
    if not _same(model, given, settings) or not given.pooling.initialised:
        return False
    tensors = given.pooling.state_dict()
    if any(tensors[key].shape != own.shape for key, own in model.pooling.state_dict().items()):
        return False
    model.pooling.load_state_dict(tensors)
    model.pooling.initialised = True
    return True


def _same(model: VprModel, given: VprModel, names: Sequence[str]) -> bool:
    return all(getattr(model.config, name) == getattr(given.config, name) for name in names)


def _first_images(
    experiment: Experiment, database: Sequence[Frame]
) -> tuple[Iterator[NDArray[np.uint8]], Iterator[NDArray[np.number]] | None]:
    """Images to initialise a pooling on, with their label maps if it uses them."""
    if not experiment.model.pooling.endswith(SEMANTIC):
        return _images(_spread(database)), None
    config = experiment.section(SemanticsConfig)
    labelled = labelled_frames(config, experiment.preprocessing, database)
    frames = _spread(labelled.frames)
    return _images(frames), (labelled.roles(frame) for frame in frames)


def _spread(frames: Sequence[Frame]) -> list[Frame]:
    """At most `MAX_INITIALISATION_IMAGES` frames, spread evenly."""
    return [frames[i] for i in evenly_spaced(len(frames), MAX_INITIALISATION_IMAGES)]


def _images(frames: Sequence[Frame]) -> Iterator[NDArray[np.uint8]]:
    for frame in tqdm(frames, 'clusters', unit='image', disable=None):
        yield frame.load()
