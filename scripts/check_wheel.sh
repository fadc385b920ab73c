#!/usr/bin/env bash
# Check the package as it is installed: its layers (import-linter) and its types (mypy --strict), tests and scripts too.
#
#   scripts/check_wheel.sh [FOLDER]    the virtual environment; default: .venv
#
# Neither tool follows package_dir or the import hook of an editable install, so the wheel is unpacked into a folder of
# its own and checked there: export/pipeline.py is reported as cxr_edge/export/pipeline.py.
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
failed=0
PYTHONPATH=$site "$(dirname "$python")/lint-imports" "$root/pyproject.toml" --no-logo --no-cache || failed=1
mypy=("$python" -m mypy --config-file "$root/pyproject.toml" --cache-dir "$root/.cache/mypy")
"${mypy[@]}" -p cxr_edge || failed=1
# shellcheck disable=SC2046 # Our own file names hold no blanks.
"${mypy[@]}" --explicit-package-bases $(find tests scripts android_demo -follow -name '*.py' | LC_ALL=C sort) || failed=1
exit "$failed"
