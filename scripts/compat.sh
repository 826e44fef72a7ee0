#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ./dev test --compat: builds and tests in a root file system of the next Debian release, whose libfabric is
# newer than this machine's. The root is made once and kept in .cache; the source tree is read-only in it.
#
#   scripts/compat.sh [--tier quick|full|nightly] [--filter REGEX] [--run COMMAND] PACKAGE...
#
# --run: builds, then runs a shell command in the root (build folder /build, sources /src) instead of the tests.
# Results are in .cache/compat-trixie/build: meson-logs/testlog.json, pytest.xml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SUITE=${WEFT_COMPAT_SUITE-trixie}
CACHE=${WEFT_COMPAT_CACHE-$PWD/.cache/compat-$SUITE}
CACHE_VARIABLE=WEFT_COMPAT_CACHE
NAME=compat
NEEDS_MIB=3500
# shellcheck source=scripts/root.sh
source scripts/root.sh
# For people, for benchmarks, or for a compiler that is not used in the root.
LEFT_OUT=' chromium fonts-dejavu-core clang clang-format libclang-rt-dev mandoc scdoc shellcheck redis-server memcached python3-yaml python3-kubernetes systemd prometheus lld iperf3 sudo debootstrap '
# The order in which they run. Provider tcp shows that what fails fails because of the provider.
SUITES=(--suite emu --suite conform-emu --suite compat)

build_in_root() {
	echo "compat: libfabric $(in_root pkg-config --modversion libfabric), $(in_root gcc --version | head -n 1)"
	{
		[[ -e $CACHE/build/build.ninja ]] || in_root meson setup /build /src
		in_root ninja -C /build all meson-test-prereq # from meson 1.7 on this is no part of "all"
	} >"$CACHE/build.log" 2>&1 || {
		tail -n 20 "$CACHE/build.log" >&2
		die "the build failed in the root: see $CACHE/build.log"
	}
}

meson_tests() {
	local tests=() left_out=()
	[[ $tier == nightly ]] || left_out=(--no-suite nightly)
	if [[ $filter ]]; then
		mapfile -t tests < <(in_root meson test -C /build --no-rebuild --list "${SUITES[@]}" "${left_out[@]}" \
			2>/dev/null | sed 's/.* \/ //' | grep -E -- "$filter" | sort -u)
		((${#tests[@]})) || return 0
	fi
	in_root meson test -C /build --no-rebuild --print-errorlogs "${SUITES[@]}" "${left_out[@]}" "${tests[@]}"
}

# The KV cache, servers on one emulated host and clients on the other.
cluster_tests() {
	local ids=(/src/tests/cluster)
	local set=(env WEFT_BUILD_DIR=/build 'WEFT_PROVIDERS=efa,efa-direct' PYTHONDONTWRITEBYTECODE=1)
	[[ $tier != quick ]] || return 0
	if [[ $filter ]]; then
		mapfile -t ids < <(in_root "${set[@]}" \
			python3 -m pytest -q --collect-only -p no:cacheprovider --rootdir=/src/tests/cluster /src/tests/cluster |
			grep -E '::' | grep -E -- "$filter" | sed 's|^|/src/tests/cluster/|')
		((${#ids[@]})) || return 0
	fi
	in_root "${set[@]}" \
		/src/tests/two_hosts.sh /build/programs/emu/weft-emu -- \
		python3 -m pytest -q -n "${WEFT_TEST_JOBS-2}" -p no:cacheprovider --junitxml=/build/pytest.xml "${ids[@]}" ||
		(($? == 5)) # nothing collected
}

# --- options --------------------------------------------------------------------------------------

tier=full filter='' command='' packages=() options=()
inside=${WEFT_COMPAT_INSIDE-}
while (($#)); do
	case $1 in
	--tier | --filter | --run)
		(($# > 1)) || die "$1 needs a value"
		case $1 in
		--tier) tier=$2 ;;
		--filter) filter=$2 ;;
		--run) command=$2 ;;
		esac
		options+=("$1" "$2")
		shift
		;;
	-*) die "unknown option '$1'" ;;
	*) [[ $LEFT_OUT == *" $1 "* ]] || packages+=("$1") ;;
	esac
	shift
done

if [[ $inside ]]; then
	mounts
	install_packages "${packages[@]}"
	build_in_root
	if [[ $command ]]; then
		in_root bash -c "$command"
		exit
	fi
	rc=0
	meson_tests || rc=1
	cluster_tests || rc=1
	exit "$rc"
fi
check_possible
make_root
exec 9>"$CACHE/lock"
flock -n 9 || die "another ./dev test --compat is at work in $CACHE"
rm -f "$CACHE/build/meson-logs/testlog.json" "$CACHE/build/pytest.xml"
WEFT_COMPAT_INSIDE=1 exec unshare --mount --pid --fork --kill-child "${BASH_SOURCE[0]}" "${options[@]}" "${packages[@]}"
