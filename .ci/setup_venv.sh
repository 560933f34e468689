#!/bin/sh
# Makes or completes the environment of this checkout: sh .ci/setup_venv.sh FOLDER
# Does nothing when the environment is complete and belongs to the present setup.py and
# constraints.txt. One that is not known to be complete (interrupted, moved, made by others) is made
# anew: what was downloaded before comes from the cache. PYTHON names an interpreter, UV the path of
# `uv` or nothing.
set -eu

venv=$1
finished=$venv/.finished
extras=ros,replay,engines,fleet,train,docs,test

fail() {
    echo "make setup: $*" >&2
    exit 1
}

# What the environment was made from; also where, because its scripts hold absolute paths.
fingerprint() {
    pwd
    cksum setup.py constraints.txt .ci/setup_venv.sh
}

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

has_venv() {
    [ -n "${UV:-}" ] || "$1" -c 'import venv, ensurepip' 2>/dev/null
}

choose_python() {
    without_venv=
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3.12 python3.11 python3.10 python3
    fi
    for candidate in "$@"; do
        supported "$candidate" || continue
        if has_venv "$candidate"; then
            echo "$candidate"
            return
        fi
        without_venv=$candidate
    done
    [ -z "$without_venv" ] || fail "$without_venv cannot make environments because its venv module" \
        "is missing; install it (Debian, Ubuntu: apt install python3-venv) and run make again."
    fail "needs Python 3.10, 3.11 or 3.12, found none of: $*;" \
        "install one, or name it with make setup PYTHON=/path/to/python3."
}

make_venv() {
    if [ -L "$venv" ]; then
        fail "$venv is a link to $(readlink "$venv"), an environment that belongs to another place" \
            "and is left as it is; remove the link, or name another VENV."
    fi
    if [ "$venv" != .venv ] && [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ]; then
        fail "$venv exists and is not a Python environment; remove it, or name another VENV."
    fi
    python=$(choose_python)
    rm -f "$finished"
    echo "make setup: new environment in $venv with $("$python" --version)"
    if [ -n "${UV:-}" ]; then
        "$UV" venv --quiet --clear --python "$(command -v "$python")" "$venv"
    else
        "$python" -m venv --clear "$venv"
    fi
}

install_package() {
    echo "make setup: installing ghost_vpr_ros[$extras] (torch with CUDA is about 5 GB)"
    if [ -n "${UV:-}" ]; then
        "$UV" pip install --python "$venv/bin/python" -c constraints.txt -e ".[$extras]"
    else
        "$venv/bin/python" -m pip install --use-pep517 -c constraints.txt -e ".[$extras]"
    fi
}

# An editable installation leaves out what `ros2 run` and `ros2 launch` look for; links put it there.
link_ros_files() {
    share=$venv/share/ghost_vpr_ros
    index=$venv/share/ament_index/resource_index/packages
    mkdir -p "$share" "$index" "$venv/lib/ghost_vpr_ros"
    ln -sfn "$(pwd)/launch" "$(pwd)/config" "$(pwd)/package.xml" "$share"
    ln -sf "$(pwd)/resource/ghost_vpr_ros" "$index"
    ln -sf "$(pwd)"/resource/lib/* "$venv/lib/ghost_vpr_ros"
}

is_complete() {
    [ -f "$finished" ] && [ "$(cat "$finished")" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null
}

is_reusable() {
    [ -f "$finished" ] && [ "$(head -n 1 "$finished")" = "$(pwd)" ] && supported "$venv/bin/python" &&
        { [ -n "${UV:-}" ] || "$venv/bin/python" -m pip --version >/dev/null 2>&1; }
}

wanted=$(fingerprint)
if is_complete; then
    exit 0
fi
is_reusable || make_venv
rm -f "$finished"
install_package
link_ros_files
"$venv/bin/python" -c 'from torchvision.ops import nms' ||
    fail "the environment in $venv is not usable, see above; remove it with make clean and try again."
echo "$wanted" > "$finished"
echo "make setup: done, try $venv/bin/ghost-vpr --help"
