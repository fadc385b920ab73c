#!/usr/bin/env bash
# Make the virtual environment FOLDER and install cxr-edge into it, editable, with what its tests and the demo need.
#
#   scripts/setup.sh [FOLDER]        default: .venv
#
# PYTHON picks the interpreter. The versions are those of constraints.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly venv=${1:-.venv}
readonly extras="train,export,onnx,gpu,dicom,archive,cluster,audit,web,interop,test"

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# The core runs on Python 3.10, but Keras and numpy at the tested versions need 3.11, and TensorFlow stops at 3.13.
fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3; do
        if command -v "$candidate" >/dev/null && fits "$candidate"; then
            command -v "$candidate"
            return
        fi
        [ "$candidate" != "${PYTHON:-}" ] || fail "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13; name one that is"
    done
    fail "no Python 3.11, 3.12 or 3.13 found; install one (Debian 12: apt-get install python3 python3-venv)" \
        "or name it: make PYTHON=/path/to/python3.11"
}

# Debian ships Python without ensurepip, and a venv without it has no pip.
provide_venv_module() {
    local python=$1 package as_root=()
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    command -v apt-get >/dev/null || fail "$python has no module 'venv'; install your system's package for it"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "$python has no module 'venv'; as root, type: apt-get install $package"
        as_root=(sudo)
    fi
    say "$python has no module 'venv'; installing the Debian package $package with apt-get"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$package" >&2
}

if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python)
    provide_venv_module "$python"
    say "making $venv with $("$python" -V) ($python)"
    "$python" -m venv "$venv"
fi
fits "$venv/bin/python" || fail "$venv holds $("$venv/bin/python" -V), not 3.11 to 3.13; remove the folder and try again"

say "installing cxr-edge[$extras] at the versions of constraints.txt; the first time fetches about 1 GB"
# Setuptools warns at every editable install that a folder may be mistaken for a package.
PYTHONWARNINGS=ignore "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$extras]"
say "done: $venv/bin/cxr-edge"
