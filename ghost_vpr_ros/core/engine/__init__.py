"""Engines that run the network: images in, descriptors out."""

from __future__ import annotations

from ghost_vpr_ros.core.config import ENGINES, EngineConfig
from ghost_vpr_ros.core.engine.base import Engine
from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.model.rootsift_vlad import RootSiftVlad
from ghost_vpr_ros.core.model.vpr_model import VprModel
from ghost_vpr_ros.core.settings import nearest_hint

__all__ = ['ENGINES', 'Engine', 'create_engine']


def create_engine(
    model: VprModel | RootSiftVlad,
    engine: str = EngineConfig.engine,
    device: str = EngineConfig.device,
) -> Engine:
    """The engine of that name, ready to run; `auto` is the fastest that this package has.

    Raises:
        DeviceError: no such engine, or no such device on this machine.
    """
    if engine not in ENGINES:
        raise DeviceError(f'engine {engine!r} is unknown{nearest_hint(engine, list(ENGINES))}')
    from ghost_vpr_ros.core.engine.torch_engine import TorchEngine

    return TorchEngine(model, device)
