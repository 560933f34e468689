#!/bin/sh
# Runs the tests of the robot's functions with the oldest versions that setup.py allows, on Python
# 3.10: those of Ubuntu 22.04, the platform of ROS 2 Humble. Needs uv, and a network connection the
# first time. PYTHON is an interpreter of version 3.10.
set -eu

venv=.venv-oldest
uv=${UV:-uv}
command -v "$uv" >/dev/null || {
    echo "make test-oldest: needs uv (pip install uv), which installs the lowest versions" >&2
    exit 1
}
[ -x "$venv/bin/python" ] || "$uv" venv --quiet --python "${PYTHON:-3.10}" "$venv"
"$uv" pip install --quiet --python "$venv/bin/python" --resolution lowest-direct -e '.[replay]'
"$uv" pip install --quiet --python "$venv/bin/python" pytest hypothesis pyyaml psutil 'numpy<1.22'
exec "$venv/bin/python" -m pytest -q -p no:cacheprovider -m 'not slow' test/test_oldest_versions.py \
    test/core/test_geodesy.py test/core/test_image.py test/core/test_raw_image.py \
    test/core/test_preprocessing.py test/core/map test/core/search test/core/recognition \
    test/core/mapping test/core/verification test/replay/sources test/replay/bags \
    test/cli/test_build_map.py test/cli/test_query.py test/cli/test_info.py
