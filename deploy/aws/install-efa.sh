#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs or updates the EFA software on Amazon Linux 2023 or Ubuntu, from AWS's installer, whose signature is checked. It can
# be the user data of an instance: then it runs once, at the first boot.
#
#   install-efa.sh [--dry-run] [--version X.Y.Z|latest] [--minimal|--container]
#
# --minimal: driver and rdma-core alone, without libfabric and Open MPI. --container: user space alone, in an image.
set -euo pipefail

HOST=https://efa-installer.amazonaws.com
# Of AWS's key, as the EC2 User Guide prints it (efa-start.html).
FINGERPRINT=4E9091BCBB97A96B26B15E59A05480B1DD2D3CCC
version=latest
flags=(-y) dry=''

die() {
	echo "install-efa.sh: $*" >&2
	exit 1
}

run() {
	if [[ $dry ]]; then
		printf '%s\n' "$*"
	else
		"$@"
	fi
}

while (($#)); do
	case $1 in
	--dry-run) dry=1 ;;
	--minimal) flags+=(--minimal) ;;
	--container) flags+=(--skip-kmod --skip-limit-conf --no-verify) ;;
	--version)
		[[ ${2-} =~ ^(latest|[0-9]+\.[0-9]+\.[0-9]+)$ ]] || die "--version: X.Y.Z, or latest"
		version=$2
		shift
		;;
	*) die "unknown argument '$1' (--dry-run, --version, --minimal, --container)" ;;
	esac
	shift
done
[[ $dry ]] || ((EUID == 0)) || die "run it as root"

# OS_RELEASE: another file, for a test.
# shellcheck disable=SC1090,SC1091
system=$(. "${OS_RELEASE-/etc/os-release}" && echo "$ID-${VERSION_ID-}")
case $system in
amzn-2023*)
	run dnf update -y
	# The small gnupg has no agent, and cannot import a key.
	run dnf swap -y gnupg2-minimal gnupg2-full
	run dnf install -y tar gzip pciutils
	;;
ubuntu-* | debian-*)
	export DEBIAN_FRONTEND=noninteractive
	run apt-get update
	run apt-get upgrade -y
	run apt-get install -y curl ca-certificates gnupg pciutils
	;;
*) die "not for $system: Amazon Linux 2023, Ubuntu, Debian" ;;
esac

archive=aws-efa-installer-$version.tar.gz
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GNUPGHOME=$folder/gnupg
mkdir -m 700 "$GNUPGHOME"
run curl -fsSO "$HOST/$archive"
run curl -fsSO "$HOST/$archive.sig"
run curl -fsSO "$HOST/aws-efa-installer.key"
run gpg --import aws-efa-installer.key
# This key and no other: a signature of any key in the ring would do below.
[[ $dry ]] ||
	[[ $(gpg --with-colons --list-keys | awk -F: '$1 == "fpr" && last == "pub" { print $10 } { last = $1 }') == "$FINGERPRINT" ]] ||
	die "the key is not AWS's, or not alone: its fingerprint is not $FINGERPRINT"
run gpg --verify "$archive.sig" "$archive"
run tar -xf "$archive"
[[ $dry ]] || cd aws-efa-installer
run ./efa_installer.sh "${flags[@]}"
run cat /opt/amazon/efa_installed_packages
