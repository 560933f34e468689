"""The machine and its software versions, reported with every figure."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ('torch', 'torchvision', 'onnxruntime', 'openvino', 'faiss-cpu', 'numpy')


def cores() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def load_average() -> float:
    """Load average of the last minute."""
    return os.getloadavg()[0]


def describe_machine() -> dict[str, object]:
    """Processor, memory, system, versions, commit and day."""
    return {
        'processor': _processor(),
        'cores': cores(),
        'memory_gib': round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30, 1),
        'system': f'{platform.system()} {platform.release()}',
        'python': platform.python_version(),
        'versions': {name: _version(name) for name in PACKAGES},
        'commit': _commit(),
        'day': datetime.now(timezone.utc).date().isoformat(),
    }


def restart_with(variables: Mapping[str, str], module: str, words: Sequence[str]) -> None:
    """Restart the module if a variable has another value; libraries read them on loading."""
    if any(os.environ.get(name) != value for name, value in variables.items()):
        environment = {**os.environ, **variables}
        os.execve(sys.executable, [sys.executable, '-m', module, *words], environment)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return 'not installed'


def _processor() -> str:
    info = Path('/proc/cpuinfo').read_text().splitlines()
    model = next((line for line in info if line.startswith('model name')), ': unknown')
    flags = next((line for line in info if line.startswith('flags')), '').split()
    wide = [flag for flag in ('avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_tile')]
    return ', '.join([model.partition(': ')[2], *(flag for flag in wide if flag in flags)])


def _commit() -> str:
    """The commit of this checkout, with `+` if it has changes; empty outside a repository."""
    done = subprocess.run(
        ['git', 'describe', '--always', '--dirty=+', '--exclude=*'],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    return done.stdout.strip()
