#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ./dev test --arm64: builds for 64-bit ARM with Debian's cross compiler, and runs the unit tests on qemu-user. All of
# that is in a root file system that is made once and kept in .cache; the source tree is read-only in it.
#
#   scripts/arm64.sh [--tier quick|full|nightly] [--filter REGEX] PACKAGE...
#
# Of the packages the libraries are installed for arm64, the rest for this machine.
# Results are in .cache/arm64-bookworm/build/meson-logs/testlog.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SUITE=${WEFT_ARM64_SUITE-bookworm}
CACHE=${WEFT_ARM64_CACHE-$PWD/.cache/arm64-$SUITE}
CACHE_VARIABLE=WEFT_ARM64_CACHE
NAME=arm64
NEEDS_MIB=4000
# shellcheck source=scripts/root.sh
source scripts/root.sh
# For people, benchmarks, other compilers and other tests.
LEFT_OUT=' chromium fonts-dejavu-core clang clang-format libclang-rt-dev mandoc scdoc shellcheck redis-server memcached python3-yaml python3-kubernetes systemd prometheus lld iperf3 libfabric-bin
	ibverbs-utils perftest iproute2 python3-pytest python3-pytest-xdist python3-grpcio python3-protobuf '
# Tests of what qemu-user does not do: preadv2(2) with flags (emu_device), MADV_POPULATE_WRITE (emu_mr,
# engine_memory), mremap(2) that makes a second mapping, and a process's name (emu_world_join); and one that runs this machine's programs with the emulator's library (emu_symbols).
NOT_HERE='^(emu_device|emu_mr|emu_symbols|emu_world_join|engine_memory)$'
CROSS=(gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user-static libc6-dev:arm64)

write_cross_file() {
	cat >"$CACHE/build/arm64.ini" <<-'END'
	[binaries]
	c = 'aarch64-linux-gnu-gcc'
	cpp = 'aarch64-linux-gnu-g++'
	ar = 'aarch64-linux-gnu-ar'
	strip = 'aarch64-linux-gnu-strip'
	pkgconfig = 'aarch64-linux-gnu-pkg-config'
	exe_wrapper = 'qemu-aarch64-static'

	[host_machine]
	system = 'linux'
	cpu_family = 'aarch64'
	cpu = 'aarch64'
	endian = 'little'
	END
}

# What is built is what the unit tests are.
unit_tests() {
	in_root meson introspect --tests /build | in_root python3 -c '
import json, sys
for test in json.load(sys.stdin):
    if "unit" in [suite.split(":")[-1] for suite in test["suite"]]:
        print(test["name"])'
}

unit_targets() {
	in_root meson introspect --tests --targets /build | in_root python3 -c '
import json, sys
what = json.load(sys.stdin)
wanted = {name for test in what["tests"] for name in test["depends"]
          if "unit" in [suite.split(":")[-1] for suite in test["suite"]]}
print("\n".join(sorted(file[len("/build/"):] for target in what["targets"] if target["id"] in wanted
                       for file in target["filename"])))'
}

build_in_root() {
	local targets=()
	echo "arm64: $(in_root aarch64-linux-gnu-gcc --version | head -n 1), $(in_root qemu-aarch64-static --version | head -n 1)"
	{
		write_cross_file
		[[ -e $CACHE/build/build.ninja ]] || in_root meson setup /build /src --cross-file /build/arm64.ini
		mapfile -t targets < <(unit_targets)
		((${#targets[@]}))
		in_root ninja -C /build "${targets[@]}"
	} >"$CACHE/build.log" 2>&1 || {
		tail -n 20 "$CACHE/build.log" >&2
		die "the build failed in the root: see $CACHE/build.log"
	}
}

# An emulated processor is some ten times slower than this one.
run_tests() {
	local tests=()
	mapfile -t tests < <(unit_tests | grep -Ev -- "$NOT_HERE" | grep -E -- "${filter:-.}" | sort -u)
	((${#tests[@]})) || return 0
	# A name may be that of a test of another suite too.
	in_root meson test -C /build --no-rebuild --print-errorlogs --timeout-multiplier 10 --suite unit "${tests[@]}"
}

# --- options --------------------------------------------------------------------------------------

tier=full filter='' packages=("${CROSS[@]}") options=()
inside=${WEFT_ARM64_INSIDE-}
while (($#)); do
	case $1 in
	--tier | --filter)
		(($# > 1)) || die "$1 needs a value"
		[[ $1 == --tier ]] && tier=$2 || filter=$2
		options+=("$1" "$2")
		shift
		;;
	-*) die "unknown option '$1'" ;;
	lib*-dev) [[ $LEFT_OUT == *" $1 "* ]] || packages+=("$1:arm64") ;;
	*) [[ $LEFT_OUT == *[[:space:]]"$1 "* ]] || packages+=("$1") ;;
	esac
	shift
done

if [[ $inside ]]; then
	mounts
	in_root dpkg --add-architecture arm64
	install_packages "${packages[@]}"
	build_in_root
	run_tests
	exit
fi
check_possible
make_root
exec 9>"$CACHE/lock"
flock -n 9 || die "another ./dev test --arm64 is at work in $CACHE"
rm -f "$CACHE/build/meson-logs/testlog.json"
arguments=()
for package in "${packages[@]:${#CROSS[@]}}"; do
	arguments+=("${package%:arm64}")
done
WEFT_ARM64_INSIDE=1 exec unshare --mount --pid --fork --kill-child "${BASH_SOURCE[0]}" "${options[@]}" "${arguments[@]}"
