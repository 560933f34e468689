"""The rules of the house as functions: from a module's source to the list of what it breaks.

Which layer may import what is written in `LAYERS`, one row a layer, and the order inside core
in `LEVELS`; `test_imports.py` applies the rules to every file and proves on planted violations
that they can fail.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

MAX_FUNCTION_LINES = 50
MAX_FILE_LINES = 500
VAGUE_NAMES = ('utils', 'util', 'helpers', 'helper', 'common', 'misc', 'manager')
NEVER = ('pickle', 'cPickle', 'dill', 'joblib', 'shelve')
NETWORK = ('urllib.request', 'http', 'ftplib', 'socket')

DATABASE = ('pymilvus', 'milvus_lite')
TORCH = ('torch', 'torchvision')
ENGINES = ('onnx', 'onnxruntime', 'openvino')
LIBRARIES = ('numpy', 'faiss', 'cv2', 'pillow_heif', 'pyproj', 'scipy', 'safetensors')
CORE = (*LIBRARIES, *TORCH, *ENGINES, *DATABASE)
BAGS = ('rosbags', 'ruamel.yaml', 'backports', 'compression')
REPLAY = (*CORE, *BAGS, 'matplotlib', 'PIL', 'jinja2', 'gtsam', 'h5py')
MESSAGES = r'\w+_msgs|std_srvs|\w+_interfaces'
ROS = ('rclpy', 'rosbags.image', 'cv_bridge', 'tf2_ros', 'ament_index_python', MESSAGES)


@dataclass(frozen=True)
class Layer:
    """What one layer may import, and whether it may print and end the process.

    Attributes:
        ours: layers of this project that it may import, besides itself.
        theirs: packages of others, as patterns of the dotted name; None: any but `never`.
        never: forbidden although it would be allowed otherwise (standard library, any package).
        talks: may print and end the process.
    """

    ours: tuple[str, ...]
    theirs: tuple[str, ...] | None
    never: tuple[str, ...] = ()
    talks: bool = False


CORE_LAYER = 'ghost_vpr_ros.core'
QUIET = ('argparse', *NETWORK)
LAYERS = {
    CORE_LAYER: Layer((), CORE, QUIET),
    'ghost_vpr_ros.replay': Layer(('ghost_vpr_ros.core',), REPLAY, QUIET),
    'ghost_vpr_ros.ros': Layer(('ghost_vpr_ros.core',), (*CORE, *ROS), QUIET, talks=True),
    'ghost_vpr_ros.cli': Layer(
        ('ghost_vpr_ros.core', 'ghost_vpr_ros.replay'), (*REPLAY, 'tqdm'), NETWORK, talks=True
    ),
    'training': Layer(
        ('ghost_vpr_ros.core', 'ghost_vpr_ros.replay', 'ghost_vpr_ros.cli.options'),
        None,
        ('rclpy', MESSAGES),
        talks=True,
    ),
}

LEVELS = (
    ('errors', 'datatypes', 'freed_memory', 'home', 'image_header', 'packages', 'sampling')
    + ('stamps', 'system_errors', 'whole_file', 'write_ahead_log'),
    ('config', 'geodesy', 'poses', 'camera', 'jpeg', 'local_contrast'),
    ('image',),
    ('probability', 'preprocessing', 'raw_image', 'image_stream', 'closure_export'),
    ('model',),
    ('map', 'engine'),
    ('search', 'verification'),
    ('fleet',),
    ('recognition',),
    ('opened_map',),
    ('recognizer',),
    ('mapping',),
)
"""Folders and files of core, the lowest level first: each imports lower levels only."""


def broken_rules(source: str, module: str) -> list[str]:
    """Every broken rule of one module as `line: sentence`; an empty list means none.

    Args:
        source: the module's text.
        module: its dotted name; a package's `__init__` is named `package.__init__`.
    """
    tree = ast.parse(source)
    found = [*_sizes(tree, source, module), *_forbidden_syntax(tree)]
    layer = layer_of(module)
    if layer is not None:
        found += _forbidden_imports(tree, module, layer)
        found += _imports_from_above(tree, module) if layer == CORE_LAYER else []
        found += [] if LAYERS[layer].talks else _talking(tree)
        found += _global_flags(tree) if layer == CORE_LAYER else []
    return found


def layer_of(module: str) -> str | None:
    """The layer that a dotted name belongs to, or None outside the layers."""
    return next((name for name in LAYERS if _inside(module, name)), None)


def imported_names(tree: ast.Module, module: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import, lazy ones too; relative ones are resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(module.split('.')[: -node.level]) if node.level else ''
            start = '.'.join(part for part in (base, node.module) if part)
            yield from ((node.lineno, f'{start}.{alias.name}') for alias in node.names)


def _forbidden_imports(tree: ast.Module, module: str, layer: str) -> list[str]:
    return [
        f'{line}: {layer} must not import {name}'
        for line, name in imported_names(tree, module)
        if not _may_import(name, layer)
    ]


def _imports_from_above(tree: ast.Module, module: str) -> list[str]:
    level_of = {part: number for number, parts in enumerate(LEVELS) for part in parts}
    own = _part_of(module)
    if own not in level_of:
        return [] if own == '__init__' else [f'1: core/{own} has no level in LEVELS']
    return [
        f'{line}: core/{own} must not import core/{part}, which is not below it'
        for line, name in imported_names(tree, module)
        if _inside(name, CORE_LAYER)
        and (part := _part_of(name)) != own
        and not level_of.get(part, len(LEVELS)) < level_of[own]
    ]


def _part_of(module: str) -> str:
    """The folder or file directly inside core that a dotted name inside it belongs to."""
    return module.removeprefix(f'{CORE_LAYER}.').split('.')[0]


def _may_import(name: str, layer: str) -> bool:
    rules = LAYERS[layer]
    if _matches(name, (*NEVER, *rules.never)):
        return False
    if _inside(name, 'ghost_vpr_ros') or layer_of(name) is not None:
        own = (layer, *rules.ours)
        return name == 'ghost_vpr_ros.__version__' or any(_inside(name, each) for each in own)
    if rules.theirs is None or name.split('.')[0] in sys.stdlib_module_names:
        return True
    return _matches(name, rules.theirs)


def _forbidden_syntax(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append(f'{node.lineno}: bare except')
    for line, name in imported_names(tree, ''):
        if _matches(name, NEVER):
            found.append(f'{line}: {name} is never used')
    return found


def _sizes(tree: ast.Module, source: str, module: str) -> list[str]:
    found = []
    lines = len(source.splitlines())
    if lines > MAX_FILE_LINES:
        found.append(f'1: {lines} lines, at most {MAX_FILE_LINES}')
    if set(module.split('.')[-1].split('_')) & set(VAGUE_NAMES):
        found.append(f'1: the name {module} says nothing')
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                found.append(f'{node.lineno}: {node.name} has {length} lines')
    return found


def _talking(tree: ast.Module) -> list[str]:
    ways = ('print', 'input', 'exit', 'quit', 'sys.exit', 'os._exit', 'SystemExit')
    found = []
    for node in ast.walk(tree):
        name = dotted(node.func) if isinstance(node, ast.Call) else ''
        if isinstance(node, ast.Raise) and node.exc is not None:
            name = dotted(node.exc)
        if name in ways:
            found.append(f'{node.lineno}: {name}: the library never prints or exits')
    return found


def _global_flags(tree: ast.Module) -> list[str]:
    setter = re.compile(r'torch\.(set_\w+|use_deterministic_algorithms|manual_seed|backends\..*)')
    found = []
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        names = [dotted(target) for target in targets]
        names += [dotted(node.func)] if isinstance(node, ast.Call) else []
        for name in names:
            if setter.fullmatch(name) and 'is_available' not in name:
                found.append(f'{node.lineno}: {name} changes torch for the whole process')
    return found


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a chain of attributes; an empty string for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        start = dotted(node.value)
        return f'{start}.{node.attr}' if start else ''
    return ''


def _inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + '.')


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(re.match(rf'({pattern})(\.|$)', name) for pattern in patterns)
