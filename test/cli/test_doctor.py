"""The doctor tries every part in earnest."""

import json
import sys

import pytest

from ghost_vpr_ros.cli import doctor


@pytest.fixture
def cv_bridge(tmp_path, monkeypatch):
    """Puts a module of that name in front of every other one."""

    def install(source):
        (tmp_path / 'cv_bridge.py').write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv('PYTHONPATH', str(tmp_path))

    return install


def test_a_cv_bridge_that_cannot_be_imported_is_broken(cv_bridge):
    cv_bridge('import no_such_boost_library')
    finding = doctor.PROBES['cv_bridge']()
    assert not finding.works
    assert 'found, but broken' in finding.detail
    assert 'no_such_boost_library' in finding.detail


def test_a_cv_bridge_that_ends_the_process_is_broken(cv_bridge):
    cv_bridge('import os; os.abort()')
    finding = doctor.PROBES['cv_bridge']()
    assert (finding.works, 'exit status' in finding.detail) == (False, True)


def test_a_cv_bridge_that_converts_works(cv_bridge):
    pytest.importorskip('sensor_msgs.msg')
    cv_bridge('class CvBridge:\n    def imgmsg_to_cv2(self, message, encoding): pass\n')
    finding = doctor.PROBES['cv_bridge']()
    assert (finding.works, finding.detail) == (True, 'converts images')


def test_the_json_form_names_every_part_once(program, monkeypatch):
    monkeypatch.setattr(doctor, 'PROBES', {'python': doctor.PROBES['python']})
    findings = json.loads(program('doctor', '--json').out)
    assert list(findings) == ['python']
    assert set(findings['python']) == {'works', 'detail', 'needed_for'}


def test_a_library_that_ends_its_process_is_broken_and_the_rest_is_told(program, monkeypatch):
    monkeypatch.setattr(doctor, '_IN_OTHER_PROCESSES', (('torch',),))
    monkeypatch.setattr(doctor, '_run_script', lambda script: (False, 'exit status -6'))
    parts = {name: doctor.PROBES[name] for name in ('python', 'torch')}
    monkeypatch.setattr(doctor, 'PROBES', parts)
    findings = json.loads(program('doctor', '--json').out)
    assert findings['python']['works'] and not findings['torch']['works']
    assert 'exit status -6' in findings['torch']['detail']


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with one library, in front of every other one."""
    folder = tmp_path / 'compiled_package'
    folder.mkdir()
    (folder / '__init__.py').write_text('raise RuntimeError("imported")\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(doctor, '_may_have_cuda', lambda: False)
    return folder


def test_a_library_that_cannot_be_loaded_is_broken_and_its_python_is_not_imported(package):
    (package / '_C.so').write_bytes(b'no library')
    finding = doctor._compiled('compiled_package', '_C*.so', 'training')()
    assert not finding.works and 'pip install --force-reinstall' in finding.detail


def test_where_there_is_no_library_to_load_the_package_is_imported(package):
    finding = doctor._compiled('compiled_package', '_C*.so', 'training')()
    assert (finding.works, 'imported' in finding.detail) == (False, True)


def test_a_package_that_is_missing_is_named_with_how_to_install_it():
    finding = doctor._compiled('no_such_package', '_C*.so', 'training')()
    assert finding.detail == "No module named 'no_such_package'; pip install no_such_package"


def test_without_a_driver_cuda_is_missing_and_torch_is_not_imported(monkeypatch):
    monkeypatch.setattr(doctor, '_may_have_cuda', lambda: False)
    monkeypatch.setitem(sys.modules, 'torch', None)
    assert doctor.PROBES['cuda']() == doctor.Finding(
        False, 'no driver of a GPU', '--device cuda; everything also works on the CPU'
    )
