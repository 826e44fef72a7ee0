#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fuzzes with libFuzzer, AddressSanitizer and UBSan.
#
# Usage: tests/fuzz/run.sh [--keep] [SECONDS [TARGET...]]
#   SECONDS  for each target, default 60
#   TARGET   default all: NAME of tests/fuzz/NAME_fuzz.c
#   --keep   afterwards, add to tests/fuzz/corpus/ the fewest inputs that reach new code
#
# Inputs found lie in build-fuzz/corpus/, those that fail in build-fuzz/found/ (run
# build-fuzz/tests/fuzz/NAME_fuzz FILE to see one again). Exit status 1 if a target failed.
set -eu

cd "$(dirname "$0")/../.."
keep=false
if [ "${1-}" = --keep ]; then
	keep=true
	shift
fi
seconds=${1-60}
case $seconds in
'' | *[!0-9]*)
	echo "run.sh: '$seconds' is not a number of seconds" >&2
	exit 2
	;;
esac
[ $# -gt 0 ] && shift
if [ $# -eq 0 ]; then
	for file in tests/fuzz/*_fuzz.c; do
		name=${file##*/}
		set -- "$@" "${name%_fuzz.c}"
	done
fi

for name; do
	if [ ! -f "tests/fuzz/${name}_fuzz.c" ]; then
		echo "run.sh: there is no target '$name' (tests/fuzz/${name}_fuzz.c)" >&2
		exit 2
	fi
done

[ -f build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz -Dfuzz=true
mkdir -p build-fuzz/found
status=0
for name; do
	program=tests/fuzz/${name}_fuzz
	ninja -C build-fuzz "$program"
	found=build-fuzz/corpus/$name
	mkdir -p "$found" "tests/fuzz/corpus/$name"
	echo "== $name: $seconds s"
	"build-fuzz/$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-max_len=16384 -print_final_stats=1 -artifact_prefix="build-fuzz/found/$name-" \
		"$found" "tests/fuzz/corpus/$name" || status=1
	if $keep; then
		"build-fuzz/$program" -merge=1 -use_counters=0 "tests/fuzz/corpus/$name" "$found"
	fi
done
[ $status = 0 ] || echo "run.sh: failing inputs are in build-fuzz/found/" >&2
exit $status
