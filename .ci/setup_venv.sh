#!/bin/sh
# Makes or completes the environment of this checkout: sh .ci/setup_venv.sh FOLDER
# Does nothing when the environment is complete and belongs to the present setup.py and
# constraints.txt. An environment whose installation was interrupted is made anew: what was
# downloaded before comes from the cache. PYTHON names an interpreter, UV the path of `uv` or nothing.
set -eu

venv=$1
finished=$venv/.finished
extras=ros,replay,train,test

fail() {
    echo "make setup: $*" >&2
    exit 1
}

# What the environment was made from; also where, because its scripts hold absolute paths.
fingerprint() {
    pwd
    find setup.py setup.cfg package.xml constraints.txt launch config resource -type f |
        LC_ALL=C sort | xargs cksum
}

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

has_venv() {
    [ -n "${UV:-}" ] || "$1" -c 'import venv, ensurepip' 2>/dev/null
}

choose_python() {
    without_venv=
    for candidate in ${PYTHON:-python3.12 python3.11 python3.10 python3}; do
        supported "$candidate" || continue
        if has_venv "$candidate"; then
            echo "$candidate"
            return
        fi
        without_venv=$candidate
    done
    [ -z "$without_venv" ] || fail "$without_venv cannot make environments because its venv module" \
        "is missing; install it (Debian, Ubuntu: apt install python3-venv) and run make again."
    fail "needs Python 3.10, 3.11 or 3.12, found none as ${PYTHON:-python3.12, python3.11," \
        "python3.10 or python3}; install one, or name it with make setup PYTHON=/path/to/python3."
}

make_venv() {
    python=$(choose_python)
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

wanted=$(fingerprint)
if [ -f "$finished" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    [ "$(cat "$finished")" != "$wanted" ] || exit 0
    [ "$(head -n 1 "$finished")" = "$(pwd)" ] || make_venv
else
    make_venv
fi
rm -f "$finished"
install_package
"$venv/bin/python" -c 'from torchvision.ops import nms' ||
    fail "the environment in $venv is not usable, see above; remove it with make clean and try again."
echo "$wanted" > "$finished"
echo "make setup: done, try $venv/bin/ghost-vpr --help"
