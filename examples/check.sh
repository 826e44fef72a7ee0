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
cp "$here"/*.c "$here"/*.h "$here/Makefile" "$stage"
pc=$(find "$stage" -name weftkv.pc)
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$stage"
lib=$(dirname "$(find "$stage" -name libweftkv.so)")
export LD_LIBRARY_PATH="$lib"
make -C "$stage" LDFLAGS="-Wl,-rpath-link,$lib ${EXAMPLE_LDFLAGS:-}"

"$stage/kv"

cd "$stage"
# All on one host, which may have no other address.
export BIND=127.0.0.1
head -c 5000000 /dev/urandom >in
./copy receive 127.0.0.1:0 out 6000000 >copy.address &
receiver=$!
tries=0
while [ ! -s copy.address ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || { echo "no address from the receiver" >&2; exit 1; }
	sleep 0.1
done
./copy send "$(cat copy.address)" in
wait $receiver
cmp in out

./pingpong left.d right.d 200 &
left=$!
./pingpong right.d left.d 200
wait $left

./broadcast receive 1.d 3000000 &
first=$!
./broadcast receive 2.d 3000000 &
second=$!
./broadcast receive 3.d 3000000 &
third=$!
./broadcast send 3000000 1.d 2.d 3.d
wait $first
wait $second
wait $third

./gather own pool.d 500 &
owner=$!
./gather fetch pool.d 500 120
wait $owner
echo "examples: ok"
