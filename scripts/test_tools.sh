#!/usr/bin/env bash
# Install the Debian packages of programs that tests look for and this machine lacks. Tests of what cannot be had are
# skipped and say so; this never fails. The Android tests install what their build needs themselves.
#
#   scripts/test_tools.sh
#
# CXR_EDGE_NO_APT=1 installs nothing and only says what is missing.
set -euo pipefail

say() { printf 'test tools: %s\n' "$*" >&2; }

# sshd is in /usr/sbin, which is not on every user's PATH.
has_program() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null; }

# Of what Mesa's Vulkan driver links to, the library that no other package of this list brings.
has_mesa_libraries() { PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null | grep -q 'libxshmfence[.]so[.]1'; }

missing=()
need() {
    local package=$1 tests=$2
    shift 2
    "$@" && return
    missing+=("$package")
    say "$package is missing; needed by $tests"
}

need git "tests/unit/project/test_packaging.py" has_program git
need util-linux "tests/fault/test_network.py" has_program unshare
need systemd "tests/unit/project/test_service.py" has_program systemd-analyze
need openssh-client "tests/integration/test_ssh.py" has_program ssh
need chromium "tests/browser" has_program chromium
need mesa-vulkan-drivers "tests/integration/test_gpu.py" has_mesa_libraries
# Where systemd runs, Debian starts the server as soon as it is installed, and opens this machine's port 22.
if [ -d /run/systemd/system ] && ! has_program sshd; then
    say "openssh-server is missing and is not installed here, because that would start a server;" \
        "without it tests/integration/test_ssh.py is skipped"
else
    need openssh-server "tests/integration/test_ssh.py" has_program sshd
fi
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
if [ -n "${CXR_EDGE_NO_APT:-}" ] || ! has_program apt-get || ! { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    say "nothing is installed (it takes Debian, and root or sudo without a password); as root, type:" \
        "apt-get install --no-install-recommends ${missing[*]}"
    exit 0
fi
say "installing ${missing[*]} with apt-get"
readonly apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
"${apt[@]}" update >&2 || say "apt-get update failed; going on with the lists that are there"
# One by one: a package that this release does not have takes no other with it.
for package in "${missing[@]}"; do
    "${apt[@]}" install -y --no-install-recommends "$package" >/dev/null ||
        say "$package cannot be installed; its tests are skipped"
done
