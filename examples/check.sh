#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check.sh BUILD: installs the build into a new folder, builds the examples against that, runs them.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$1
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

DESTDIR=$stage meson install -C "$build" --no-rebuild >"$stage/install.log" 2>&1 || {
	cat "$stage/install.log"
	exit 1
}
cp "$here/kv.c" "$here/copy.c" "$here/Makefile" "$stage"
pc=$(find "$stage" -name weftkv.pc)
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$stage"
lib=$(dirname "$(find "$stage" -name libweftkv.so)")
export LD_LIBRARY_PATH="$lib"
make -C "$stage" LDFLAGS="-Wl,-rpath-link,$lib ${EXAMPLE_LDFLAGS:-}"

"$stage/kv"

head -c 5000000 /dev/urandom >"$stage/in"
"$stage/copy" receive "$stage/descriptor" "$stage/out" 6000000 &
receiver=$!
tries=0
while [ ! -e "$stage/descriptor" ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || { echo "no descriptor from the receiver" >&2; exit 1; }
	sleep 0.1
done
"$stage/copy" send "$stage/descriptor" "$stage/in"
wait $receiver
cmp "$stage/in" "$stage/out"
echo "examples: ok"
