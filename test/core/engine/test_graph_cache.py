"""Graphs: exported once for each network, by another process where this one lacks PyTorch."""

import os
import subprocess
import sys

import numpy as np
import pytest

from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.engine import create_engine, graph_cache, prepare_engine
from ghost_vpr_ros.core.engine.compiled_files import compiled_files
from ghost_vpr_ros.core.engine.graph_cache import graph_of, graph_path, keep_graph
from ghost_vpr_ros.core.errors import DeviceError
from ghost_vpr_ros.core.model.weights import model_to_bytes
from ghost_vpr_ros.core.model.weights_file import StoredModel
from test.core.model.tiny_model import tiny_model


@pytest.fixture(scope='module')
def stored() -> StoredModel:
    return StoredModel.from_bytes(model_to_bytes(tiny_model(descriptor_dim=6)), 'tiny')


def pixels(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


def test_a_graph_is_exported_once(stored, monkeypatch):
    prepare_engine(stored, EngineConfig())
    assert graph_path(stored.model_hash).is_file()
    monkeypatch.setattr('ghost_vpr_ros.core.engine.graph_export.export_graph', None)
    assert create_engine(stored).describe(pixels(1)).shape == (1, 6)


def test_a_cache_that_cannot_be_written_costs_time_only(stored, monkeypatch, tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    monkeypatch.setenv('GHOST_VPR_CACHE', str(tmp_path / 'file' / 'below'))
    assert keep_graph('0' * 64, 'float32', b'graph') is None
    assert create_engine(stored, EngineConfig(engine='openvino')).describe(pixels(1)).shape


def test_another_process_runs_the_network_without_torch(stored, tmp_path):
    weights = tmp_path / 'tiny.safetensors'
    weights.write_bytes(stored.data)
    np.save(tmp_path / 'pixels.npy', pixels())
    program = (
        'import sys, numpy as np\n'
        'from ghost_vpr_ros.core.engine import create_engine\n'
        'from ghost_vpr_ros.core.model.weights_file import StoredModel\n'
        'from ghost_vpr_ros.core import recognizer\n'
        'engine = create_engine(StoredModel.from_file(sys.argv[1]))\n'
        "found = engine.describe(np.load(sys.argv[2] + '/pixels.npy'))\n"
        "np.save(sys.argv[2] + '/found.npy', found)\n"
        "assert 'torch' not in sys.modules, 'torch was loaded'\n"
    )
    # Nothing is cached yet: the graph comes from a third process.
    environment = {**os.environ, 'GHOST_VPR_CACHE': str(tmp_path / 'cache')}
    command = [sys.executable, '-c', program, str(weights), str(tmp_path)]
    subprocess.run(command, check=True, env=environment)
    expected = create_engine(stored, EngineConfig(engine='torch')).describe(pixels())
    np.testing.assert_allclose(np.load(tmp_path / 'found.npy'), expected, atol=1e-4)


def test_without_torch_and_without_a_graph_the_error_states_where_to_put_one(stored, tmp_path):
    (tmp_path / 'torch.py').write_text('raise ImportError("no torch here")')
    program = (
        'import sys\n'
        'from ghost_vpr_ros.core.engine import create_engine\n'
        'from ghost_vpr_ros.core.errors import DeviceError\n'
        'from ghost_vpr_ros.core.model.weights_file import StoredModel\n'
        'try:\n'
        '    create_engine(StoredModel.from_file(sys.argv[1]))\n'
        'except DeviceError as error:\n'
        '    print(error)\n'
    )
    (tmp_path / 'tiny.safetensors').write_bytes(stored.data)
    folders = [str(tmp_path), os.environ.get('PYTHONPATH', '')]
    environment = {
        **os.environ,
        'GHOST_VPR_CACHE': str(tmp_path / 'cache'),
        'PYTHONPATH': os.pathsep.join(folders),
    }
    command = [sys.executable, '-c', program, str(tmp_path / 'tiny.safetensors')]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    assert 'expected PyTorch to export the network' in done.stdout
    assert 'no torch here' in done.stdout and '.onnx' in done.stdout


@pytest.mark.parametrize('change', ['cut off', 'empty', 'a bit', 'another graph', 'its digest'])
def test_a_cached_graph_that_has_changed_is_exported_again(stored, monkeypatch, tmp_path, change):
    graph = graph_of(stored, 'float32')
    monkeypatch.setenv('GHOST_VPR_CACHE', str(tmp_path))
    monkeypatch.setattr('ghost_vpr_ros.core.engine.graph_export.export_graph', lambda _: graph)
    path = keep_graph(stored.model_hash, 'float32', graph)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-5 if change == 'its digest' else len(whole) // 2] ^= 1
    other = path.with_name('other')
    keep_graph('0' * 64, 'float32', whole)
    graph_path('0' * 64).rename(other)
    path.write_bytes(
        {
            'cut off': whole[: len(whole) // 2],
            'empty': b'',
            'another graph': other.read_bytes(),
        }.get(change, bytes(flipped))
    )
    assert graph_of(stored, 'float32') == graph
    assert path.read_bytes() == whole


def test_the_digest_is_metadata_of_a_graph_that_any_program_reads(stored):
    onnx = pytest.importorskip('onnx')
    graph_of(stored, 'float32')
    graph = onnx.load(graph_path(stored.model_hash))
    onnx.checker.check_model(graph)
    assert graph.metadata_props[-1].key == 'ghost_vpr_sha256'


def test_a_user_without_a_home_works_without_a_cache(stored, monkeypatch):
    for name in ('GHOST_VPR_CACHE', 'XDG_CACHE_HOME', 'HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr('pwd.getpwuid', {}.__getitem__)
    assert graph_path(stored.model_hash) is None
    assert keep_graph(stored.model_hash, 'float32', b'graph') is None
    for name in ('onnxruntime', 'auto'):
        assert create_engine(stored, EngineConfig(engine=name)).describe(pixels(1)).shape
    with pytest.raises(DeviceError, match='GHOST_VPR_CACHE'):
        create_engine(stored, EngineConfig(inference_precision='int8', engine='openvino'))


@pytest.mark.parametrize('kept', [0.5, 1.0])
def test_what_openvino_compiled_is_compiled_again_where_it_has_changed(
    stored, monkeypatch, tmp_path, kept
):
    monkeypatch.setenv('GHOST_VPR_CACHE', str(tmp_path))
    engine = EngineConfig(engine='openvino')
    expected = create_engine(stored, engine).describe(pixels(1))
    (blob,) = (path for path in tmp_path.rglob('*.blob'))
    content = bytearray(blob.read_bytes())[: round(blob.stat().st_size * kept)]
    if kept == 1.0:
        content[len(content) // 2] ^= 0x10
    blob.write_bytes(content)
    np.testing.assert_array_equal(create_engine(stored, engine).describe(pixels(1)), expected)
    assert blob.read_bytes() != bytes(content)


def test_only_recorded_files_reach_an_engine(monkeypatch, tmp_path):
    monkeypatch.setenv('GHOST_VPR_CACHE', str(tmp_path))
    with compiled_files('tensorrt', b'graph', 'half') as folder:
        (folder / 'engine').write_bytes(b'whole')
    (folder / 'foreign').write_bytes(b'whole')
    with compiled_files('tensorrt', b'graph', 'half') as again:
        assert [path.name for path in again.iterdir() if path.suffix != '.json'] == ['engine']
    (folder / 'engine').write_bytes(b'other')
    with compiled_files('tensorrt', b'graph', 'half') as again:
        assert not (again / 'engine').exists()
    with compiled_files('tensorrt', b'graph', 'float32') as other:
        assert other != folder


def test_a_folder_that_cannot_be_written_does_not_stop_the_network(stored, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError('filesystem error: cannot set permissions')

    monkeypatch.setattr('ghost_vpr_ros.core.engine.openvino_engine.write_whole', refuse)
    engine = EngineConfig(engine='openvino', inference_threads=3)
    assert create_engine(stored, engine).describe(pixels(1)).shape == (1, 6)


def test_a_compiled_network_starts_without_its_graph(stored, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv('GHOST_VPR_CACHE', str(tmp_path))
    engine = EngineConfig(engine='openvino')
    expected = create_engine(stored, engine).describe(pixels(1))

    def refuse(*_: object) -> None:
        raise AssertionError('the graph was read')

    monkeypatch.setattr('ghost_vpr_ros.core.engine.graph_cache.graph_of', refuse)
    prepare_engine(stored, engine)
    np.testing.assert_array_equal(create_engine(stored, engine).describe(pixels(1)), expected)


def test_openvino_is_loaded_without_its_converter_which_works_when_called() -> None:
    program = (
        'import sys\n'
        'from ghost_vpr_ros.core.config.engine import EngineConfig\n'
        'from ghost_vpr_ros.core.engine.openvino_engine import check_openvino\n'
        'openvino = check_openvino(EngineConfig())\n'
        "assert 'openvino.tools.ovc' not in sys.modules\n"
        "assert 'openvino_telemetry' not in sys.modules\n"
        'try:\n'
        "    openvino.convert_model('missing.onnx')\n"
        'except Exception as error:\n'
        '    print(type(error).__module__)\n'
        "assert 'openvino.tools.ovc' in sys.modules\n"
    )
    subprocess.run([sys.executable, '-c', program], check=True)


@pytest.mark.parametrize('given', ['', '/dev/null/below'])
def test_processes_share_a_passing_cache_where_there_is_none(monkeypatch, given):
    for name in ('GHOST_VPR_CACHE', 'XDG_CACHE_HOME', 'HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(graph_cache, 'home_folder', lambda: None)
    if given:
        monkeypatch.setenv('GHOST_VPR_CACHE', given)
    with graph_cache.cache_of_processes():
        folder = graph_cache.cache_folder()
        assert folder.is_dir()
        assert graph_cache.keep_graph('a' * 64, 'float32', b'graph').parent == folder
    assert not folder.exists()
    assert os.environ.get('GHOST_VPR_CACHE', '') == given


def test_processes_share_the_cache_that_there_is(monkeypatch, tmp_path):
    monkeypatch.setenv('GHOST_VPR_CACHE', str(tmp_path / 'cache'))
    with graph_cache.cache_of_processes():
        assert graph_cache.cache_folder() == tmp_path / 'cache'
    assert (tmp_path / 'cache').is_dir()
