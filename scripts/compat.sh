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
ROOT=$CACHE/root
NEEDS_MIB=3500
# For people, for benchmarks, or for a compiler that is not used in the root.
LEFT_OUT=' clang clang-format libclang-rt-dev mandoc scdoc shellcheck redis-server memcached sudo debootstrap '
# The order in which they run. Provider tcp shows that what fails fails because of the provider.
SUITES=(--suite emu --suite conform-emu --suite compat)

die() {
	echo "compat: $*" >&2
	exit 1
}

# --- the root -------------------------------------------------------------------------------------

check_possible() {
	local missing=() tool free
	((EUID == 0)) || die "needs root (debootstrap, mount, chroot): run 'sudo ./dev test --compat'"
	for tool in debootstrap chroot unshare mount apt-get; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	((${#missing[@]} == 0)) ||
		die "not found: ${missing[*]}; run 'apt-get install debootstrap util-linux mount'"
	[[ -e /usr/share/debootstrap/scripts/$SUITE ]] ||
		die "this debootstrap does not know '$SUITE': install a newer debootstrap"
	unshare --mount --pid --fork true 2>/dev/null ||
		die "namespaces are forbidden here (unshare --mount --pid): run it outside of this container, or with CAP_SYS_ADMIN"
	mkdir -p "$CACHE"
	free=$(df --output=avail -B1048576 "$CACHE" | tail -n 1 | tr -d ' ')
	[[ -e $ROOT/etc/debian_version ]] || ((free >= NEEDS_MIB)) ||
		die "needs $NEEDS_MIB MiB in $CACHE, there are $free MiB: set WEFT_COMPAT_CACHE to a larger place"
	if findmnt -no OPTIONS --target "$CACHE" | grep -qE '(^|,)(nodev|noexec)(,|$)'; then
		die "$CACHE lies on a file system mounted nodev or noexec: set WEFT_COMPAT_CACHE to another place"
	fi
}

# The archive that apt on this machine takes Debian's main packages from.
mirror() {
	if [[ ${WEFT_COMPAT_MIRROR-} ]]; then
		echo "$WEFT_COMPAT_MIRROR"
		return
	fi
	# shellcheck disable=SC2016 # apt's own placeholders
	apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(ORIGIN) $(LABEL)' \
		'Created-By: Packages' 2>/dev/null |
		awk '$2 == "main" && $3 == "Debian" && $4 == "Debian" { print $1; exit }'
}

proxy() {
	local Proxy=''
	eval "$(apt-config shell Proxy Acquire::http::Proxy)"
	[[ $Proxy == DIRECT ]] || echo "$Proxy"
}

make_root() {
	local from http_proxy
	[[ ! -e $CACHE/root.made ]] || return 0
	from=$(mirror)
	[[ $from ]] || die "apt here knows no Debian archive: set WEFT_COMPAT_MIRROR to the URL of one"
	http_proxy=$(proxy)
	[[ ! $http_proxy ]] || export http_proxy
	echo "compat: making a root of $SUITE in $ROOT, from $from"
	rm -rf --one-file-system "$ROOT"
	debootstrap --variant=minbase "$SUITE" "$ROOT" "$from" >"$CACHE/debootstrap.log" 2>&1 || {
		tail -n 5 "$CACHE/debootstrap.log" >&2
		die "debootstrap failed: see $CACHE/debootstrap.log; WEFT_COMPAT_MIRROR sets another archive"
	}
	if [[ $http_proxy ]]; then
		echo "Acquire::http::Proxy \"$http_proxy\";" >"$ROOT/etc/apt/apt.conf.d/90proxy"
	fi
	echo 'APT::Install-Recommends "false";' >"$ROOT/etc/apt/apt.conf.d/90weft"
	touch "$CACHE/root.made"
}

# --- within a mount and pid namespace ----------------------------------------------------------------

mounts() {
	mkdir -p "$ROOT/src" "$ROOT/build" "$CACHE/build"
	mount --make-rprivate /
	mount -t proc proc "$ROOT/proc"
	mount -t sysfs -o ro sysfs "$ROOT/sys" 2>/dev/null || mount --rbind /sys "$ROOT/sys"
	mount --rbind /dev "$ROOT/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$ROOT/dev/shm"
	mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
	mount --bind . "$ROOT/src"
	mount -o remount,ro,bind "$ROOT/src"
	mount --bind "$CACHE/build" "$ROOT/build"
	cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
	# A name server may be known by this file alone.
	cp /etc/hosts "$ROOT/etc/hosts"
}

in_root() {
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		RUNLEVEL=1 WEFT_TEST_TIER="$tier" chroot "$ROOT" "$@"
}

install_packages() {
	local wanted
	wanted=$(printf '%s\n' "$@")
	[[ ! -e $CACHE/packages || $(<"$CACHE/packages") != "$wanted" ]] || return 0
	echo "compat: installing what weft needs in it"
	{
		printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d" # no services are started
		chmod 755 "$ROOT/usr/sbin/policy-rc.d"
		in_root apt-get update -q && in_root apt-get install -q -y "$@" && in_root apt-get clean
	} >"$CACHE/apt.log" 2>&1 || {
		tail -n 5 "$CACHE/apt.log" >&2
		die "apt-get failed in the root: see $CACHE/apt.log"
	}
	echo "$wanted" >"$CACHE/packages"
}

build_in_root() {
	echo "compat: libfabric $(in_root pkg-config --modversion libfabric), $(in_root gcc --version | head -n 1)"
	{
		[[ -e $CACHE/build/build.ninja ]] || in_root meson setup /build /src
		in_root ninja -C /build
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
	local select=()
	[[ $tier != quick ]] || return 0
	[[ ! $filter ]] || select=(-k "$filter")
	in_root env WEFT_BUILD_DIR=/build WEFT_PROVIDERS=efa,efa-direct PYTHONDONTWRITEBYTECODE=1 \
		/src/tests/two_hosts.sh /build/programs/emu/weft-emu -- \
		python3 -m pytest -q -n "${WEFT_TEST_JOBS-2}" -p no:cacheprovider --junitxml=/build/pytest.xml "${select[@]}" /src/tests/cluster ||
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
