#!/usr/bin/env bash
# Build the sdist, and from it the wheel, into FOLDER.
#
#   scripts/build_dist.sh FOLDER
#
# PYTHON picks an interpreter that has the packages `build` and `setuptools`. The build runs on a copy: setuptools
# leaves build/ behind and packs what it finds there the next time, files since removed included.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
python=$(command -v "${PYTHON:-python3}")
case $python in /*) ;; *) python=$PWD/$python ;; esac
mkdir -p "$1"
out=$(cd "$1" && pwd)
readonly out python
cd "$(dirname "$0")/.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R setup.cfg pyproject.toml MANIFEST.in Makefile constraints.txt LICENSE NOTICE ./*.md \
    cxr_edge export benchmarks docs scripts tests "$copy"
cd "$copy"
"$python" -m build --no-isolation --outdir "$out" >"$copy/log" 2>&1 || { cat "$copy/log" >&2; exit 1; }
