"""Small sources and a small map, made once, for the tests of the commands."""

from pathlib import Path

import pytest

from test.cli.program import TINY, Program, picture, write_images, write_manifest


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    """Runs `ghost-vpr` in this process."""
    return Program(capsys)


@pytest.fixture(scope='session')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images without positions."""
    return write_images(tmp_path_factory.mktemp('images') / 'walk', range(8))


@pytest.fixture(scope='session')
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same eight places in another light."""
    return write_images(tmp_path_factory.mktemp('images') / 'again', range(8), gain=0.8)


@pytest.fixture(scope='session')
def geotagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images, two of each panorama, the panoramas 111 m apart from south to north."""
    return write_manifest(tmp_path_factory.mktemp('images') / 'street', 8)


@pytest.fixture(scope='session')
def built(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map of `folder`; not to be written to."""
    from ghost_vpr_ros.cli.main import main

    path = tmp_path_factory.mktemp('maps') / 'walk.map'
    assert main(['build-map', str(folder), str(path), *TINY]) == 0
    return path


@pytest.fixture
def query_image(tmp_path: Path) -> Path:
    """An image of the place of `folder`'s image 3."""
    from ghost_vpr_ros.core.image import encode_jpeg

    path = tmp_path / 'query.jpg'
    path.write_bytes(encode_jpeg(picture(3, gain=0.8), 95))
    return path
