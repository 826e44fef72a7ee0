#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A root file system of a Debian release, made once and kept below .cache, in which the source tree is built and
# tested: for scripts that source this. Nothing outside of it is changed.
#
# They set, in the root of the source tree: NAME, in messages; SUITE; CACHE, which may lie elsewhere; NEEDS_MIB;
# CACHE_VARIABLE, by which users choose it; tier. Then: check_possible, make_root, and within a mount and pid namespace
# mounts, install_packages, in_root COMMAND.
# shellcheck disable=SC2034,SC2154 # variables of who sources this

ROOT=$CACHE/root

die() {
	echo "$NAME: $*" >&2
	exit 1
}

check_possible() {
	local missing=() tool free
	((EUID == 0)) || die "needs root (debootstrap, mount, chroot): run 'sudo ./dev test --$NAME'"
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
		die "needs $NEEDS_MIB MiB in $CACHE, there are $free MiB: set $CACHE_VARIABLE to a larger place"
	if findmnt -no OPTIONS --target "$CACHE" | grep -qE '(^|,)(nodev|noexec)(,|$)'; then
		die "$CACHE lies on a file system mounted nodev or noexec: set $CACHE_VARIABLE to another place"
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
	echo "$NAME: making a root of $SUITE in $ROOT, from $from"
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
	echo "$NAME: installing what weft needs in it"
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
