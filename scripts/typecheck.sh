#!/usr/bin/env bash
# Run mypy --strict on the installed package, the tests and the scripts.
#
#   scripts/typecheck.sh [FOLDER]    the virtual environment; default: .venv
#
# mypy follows neither package_dir nor the import hook of an editable install, so the wheel is unpacked into a folder
# of its own and checked there: export/convert/litert.py is reported as cxr_edge/export/litert.py.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$(pwd)
python=$(cd "${1:-.venv}/bin" && pwd)/python
readonly root python site=$root/.cache/mypy-site

rm -rf "$site" "$root/.cache/dist"
mkdir -p "$site"
PYTHON=$python "$root/scripts/build_dist.sh" "$root/.cache/dist"
"$python" -m zipfile -e "$root"/.cache/dist/cxr_edge-*.whl "$site"
ln -s "$root/tests" "$root/scripts" "$root/android_demo" "$site"

cd "$site"
mypy=("$python" -m mypy --config-file "$root/pyproject.toml" --cache-dir "$root/.cache/mypy")
failed=0
"${mypy[@]}" -p cxr_edge || failed=1
# shellcheck disable=SC2046 # Our own file names hold no blanks.
"${mypy[@]}" --explicit-package-bases $(find tests scripts android_demo -follow -name '*.py' | LC_ALL=C sort) || failed=1
exit "$failed"
