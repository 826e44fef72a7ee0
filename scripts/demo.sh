#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ./dev demo: starts a server, moves real files into it and back, compares them, measures, and prints one
# table. Ends with status 0 only when every byte came back.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

MIB=$((1 << 20))
FILE_MIB=512   # the generated file
POOL_MIB=768   # of the server: that file, the source tree, and the keys of the bench
BUFFER_MIB=64  # of the client
SPARE_MIB=320  # programs, buffers of the fabric, pages of the files
READY_S=20
BENCH_SIZES=(4KiB 64KiB 1MiB)

provider=auto
build_dir=${WEFT_BUILD_DIR:-build}
tmp='' server=''

usage() {
	cat <<-END
	Usage: ./dev demo [--provider NAME]
	  --provider NAME   way between client and server: auto (default), shm, tcp, efa, verbs
	END
}

die() {
	echo "demo: $*" >&2
	exit 1
}

# --- begin and end ----------------------------------------------------------------------------------

# shellcheck disable=SC2317 # called by trap
stop_all() {
	local status=$?
	trap - EXIT INT TERM
	if [[ $server ]] && kill -0 "$server" 2>/dev/null; then
		kill -TERM "$server" 2>/dev/null || true
		for _ in {1..100}; do
			kill -0 "$server" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	[[ -z $tmp ]] || rm -rf "$tmp"
	exit "$status"
}

free_mib() { # of the file system that holds $1
	df --output=avail -B$MIB "$1" | tail -n 1 | tr -d ' '
}

check_room() {
	local available need=$((POOL_MIB + BUFFER_MIB + SPARE_MIB)) disk=$((2 * FILE_MIB + 200)) shm
	available=$(($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) / 1024))
	((available >= need)) ||
		die "needs $need MiB of free memory, there are $available MiB: stop something, or use a larger machine"
	# The tcp provider's messages do not go through it; shm's buffers and those of "auto" do.
	shm=$(free_mib /dev/shm)
	((shm >= 64)) ||
		die "needs 64 MiB in /dev/shm, there are $shm MiB: mount -o remount,size=1G /dev/shm (docker: --shm-size)"
	available=$(free_mib "${TMPDIR:-/tmp}")
	((available >= disk)) ||
		die "needs $disk MiB in ${TMPDIR:-/tmp}, there are $available MiB: set TMPDIR to a larger place"
}

build() {
	[[ ${WEFT_BUILD_DIR-} ]] || ./dev build >"$tmp/build.log" 2>&1 || {
		tail -n 30 "$tmp/build.log" >&2
		die "the build failed"
	}
	weft=$build_dir/programs/weft/weft
	[[ -x $weft ]] || die "$weft is not there: run ./dev build"
}

start_server() {
	local deadline=$((SECONDS + READY_S))
	"$weft" serve --listen-addr 127.0.0.1:0 --memory-mb $POOL_MIB --provider "$provider" \
		--log-level warn >"$tmp/server.out" 2>"$tmp/server.err" &
	server=$!
	until address=$(sed -n 's/.*ready on \([^ ]*\).*/\1/p' "$tmp/server.out") && [[ $address ]]; do
		kill -0 "$server" 2>/dev/null || {
			wait "$server" || true
			server=''
			die "the server did not start: $(tail -n 1 "$tmp/server.err")"
		}
		((SECONDS < deadline)) || die "the server was not ready within $READY_S s: $(tail -n 3 "$tmp/server.err")"
		sleep 0.05
	done
	cat "$tmp/server.out"
}

kv() {
	"$weft" kv --server-addr "$address" --provider "$provider" --buffer-mb $BUFFER_MIB "$@"
}

# --- what is moved ----------------------------------------------------------------------------------

make_files() {
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files -z --cached --others --exclude-standard | tar -cf "$tmp/tree.tar" --null --files-from=-
	else
		tar -cf "$tmp/tree.tar" --exclude='./build*' .
	fi
	head -c $((FILE_MIB * MIB)) /dev/urandom >"$tmp/large"
}

# The table's rows: what, provider, bytes, GB/s, p50 us, p99 us.
rows=()

gigabytes_per_second() { # bytes nanoseconds
	awk -v bytes="$1" -v ns="$2" 'BEGIN { printf "%.2f", bytes / ns }'
}

human() {
	numfmt --to=iec-i --suffix=B "$1"
}

move_file() { # file name
	local file=$1 name=$2 bytes sum began put_ns get_ns
	bytes=$(stat -c %s "$file")
	sum=$(sha256sum <"$file")
	began=$(date +%s%N)
	kv put "$name" --file "$file"
	put_ns=$(($(date +%s%N) - began))
	began=$(date +%s%N)
	kv get "$name" --output "$tmp/back"
	get_ns=$(($(date +%s%N) - began))
	if [[ $(sha256sum <"$tmp/back") != "$sum" ]]; then
		die "$name came back different: sha256 ${sum%% *} went in"
	fi
	rm "$tmp/back"
	kv delete "$name"
	echo "$name: $(human "$bytes") in and out, sha256 ${sum%% *} is the same"
	rows+=("put $name|$way|$(human "$bytes")|$(gigabytes_per_second "$bytes" "$put_ns")|-|-")
	rows+=("get $name|$way|$(human "$bytes")|$(gigabytes_per_second "$bytes" "$get_ns")|-|-")
}

bench() { # value size
	local json=$tmp/bench.json
	kv bench --value-size "$1" --num-keys 64 --repeat-reads 20 --latency-ops 500 --warmup 50 --json >"$json"
	mapfile -t -O ${#rows[@]} rows < <(/usr/bin/python3 scripts/demo_row.py "$1" "$way" <"$json")
}

print_table() {
	echo
	{
		echo "what|provider|value|GB/s|p50 us|p99 us"
		printf '%s\n' "${rows[@]}"
	} | column -t -s '|' -R 4,5,6
	echo
	echo "put and get of files: one weft kv process each, start, connection and disk included."
}

main() {
	while (($#)); do
		case $1 in
		--provider)
			(($# > 1)) || die "--provider needs a name"
			provider=$2
			shift
			;;
		--provider=*) provider=${1#*=} ;;
		-h | --help)
			usage
			exit 0
			;;
		*) die "unknown argument '$1' (--provider NAME)" ;;
		esac
		shift
	done
	trap stop_all EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-demo.XXXXXX")
	build
	check_room
	start_server
	way=$(kv ping --count 1 | sed -n 's/.* over \([^:]*\):.*/\1/p')
	[[ $way ]] || die "the client does not say which way it uses"
	make_files
	move_file "$tmp/tree.tar" "source tree"
	move_file "$tmp/large" "large file"
	for size in "${BENCH_SIZES[@]}"; do
		bench "$size"
	done
	print_table
	kill -TERM "$server"
	wait "$server" || die "the server ended with status $?: $(tail -n 3 "$tmp/server.err")"
	server=''
}

main "$@"
