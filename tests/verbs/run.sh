#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ./dev test --verbs: the conformance suite, the cache and an example over libfabric's verbs provider, in two virtual
# machines with soft-RoCE devices; and what becomes of one machine when the other is killed. Needs no device, no
# KVM, and root only to install packages.
#
#   tests/verbs/run.sh BUILD [--tier quick|full|nightly] [--filter REGEX] [--results FILE]
#
# The conformance suite runs in both machines, a part in each; its peers are processes of the same machine, whose packets
# the rxe driver takes the same way. FILE gets all results as TAP. Logs of a failure: .cache/verbs/failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

CACHE=${WEFT_VERBS_CACHE-$PWD/.cache/verbs}
NEEDS_MIB=800        # in CACHE, most of it while the kernel is unpacked
NEEDS_MEMORY_MIB=1200
CONFORM_LIMIT_S=900  # for a machine's part of the selection
CONFORM_ALL_LIMIT_S=3600
# Emulated processors: what cases allow themselves as time, they may take so many times.
SLOWER=4
# What every tier but nightly runs: data, batches, messages, arrivals, keys, rights, revocation, regions, restarts,
# peers that are killed or stopped. And, with libfabric's cache of registrations off, what that makes a difference to.
declare -A SELECTION=(
	[conform-verbs]='^(writes_of_every|reads_of_every|up_to_the_last|a_mixed_batch|batch_is_used|messages_of_every|messages_come_back|callback_gets|message_after|arrivals_are|counted_data|out_of_bounds|rights_are|revoked_region|other_regions|revoke_while|wrong_key|unknown_region|wrong_generation|deadline_ends|cancelled_|others_go_on|messages_pass|stopped_|connect_to_a_stopped|peer_killed|initiator_killed|descriptor_of_the_dead|restarted_peer|replaced_process|rdma_is_shown|same_memory|local_region)'
	[conform-verbs-uncached]='^(rights_are|revoke|wrong_key|stopped_|same_memory)'
)
declare -A SETTING=([conform-verbs]='' [conform-verbs-uncached]='FI_MR_CACHE_MAX_COUNT=0')

die() {
	echo "verbs: $*" >&2
	exit 1
}

# shellcheck source=tests/verbs/vm.sh
. tests/verbs/vm.sh
# shellcheck source=tests/verbs/cases.sh
. tests/verbs/cases.sh

check_possible() {
	local missing=() tool free
	[[ $(uname -m) == x86_64 ]] ||
		die "only written for x86_64: the kernel, linux-image-amd64, and qemu-system-x86_64 are that machine's"
	for tool in qemu-system-x86_64 busybox setpriv xz zstd dpkg-deb apt-get rdma ibv_devinfo flock; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	((${#missing[@]} == 0)) ||
		die "not found: ${missing[*]}; run 'apt-get install qemu-system-x86 busybox-static xz-utils zstd iproute2 ibverbs-utils'"
	[[ -e /etc/libibverbs.d/rxe.driver ]] ||
		die "libibverbs has no driver for soft-RoCE: run 'apt-get install ibverbs-providers'"
	mkdir -p "$CACHE"
	free=$(df --output=avail -B1048576 "$CACHE" | tail -n 1 | tr -d ' ')
	[[ -e $CACHE/ready ]] || ((free >= NEEDS_MIB)) ||
		die "needs $NEEDS_MIB MiB in $CACHE, there are $free MiB: set WEFT_VERBS_CACHE to a larger place"
	free=$(($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) / 1024))
	((free >= NEEDS_MEMORY_MIB)) ||
		die "two machines need $NEEDS_MEMORY_MIB MiB of memory, there are $free MiB"
}

# --- results: TAP ---------------------------------------------------------------------------------

number=0 passed=0 failed=0 skipped=0

# result ok|'not ok' NAME DETAIL: counts, prints and records; DETAIL is '12 ms' or 'SKIP why'.
result() {
	number=$((number + 1))
	case $1/$3 in
	ok/SKIP*) skipped=$((skipped + 1)) ;;
	ok/*) passed=$((passed + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
	echo "$1 $number - $2 # $3" | tee -a "$results"
}

# Lines of a failed test, which come before its result.
remarks() {
	sed 's/^#* */#   /' | tee -a "$results"
}

# --- the conformance suite --------------------------------------------------------------------------

declare -A told # names that have a result
suite=''        # what names begin with

# The names of a suite's cases that are to run.
conform_names() {
	local select=${SELECTION[$1]}
	# Where somebody asks for certain ones, or for all.
	[[ $1 != conform-verbs || ($tier != nightly && ! $filter) ]] || select=.
	"$build/tests/conform/conform" --provider verbs --list | grep -E -- "$select" |
		sed "s|^|$1/|" | grep -E -- "$filter"
}

conform_start() { # NODE NAME...
	local node=$1 names
	shift
	names=$(printf '%s|' "${@#"$suite"/}")
	vm_run "$node" "$suite" "$limit" "cd '$PWD' && CONFORM_SLOWER=$SLOWER ${SETTING[$suite]} exec \
		'$build/tests/conform/conform' --provider verbs --filter '^(${names%|})\$'"
}

# One line of the suite's output; noted are those since the last result.
conform_line() {
	if [[ $1 =~ ^(ok|not\ ok)\ [0-9]+\ -\ ([^ ]+)\ \#\ (.*)$ ]]; then
		[[ ${BASH_REMATCH[1]} == ok ]] || printf '%s' "$noted" | remarks
		told[$suite/${BASH_REMATCH[2]}]=1
		result "${BASH_REMATCH[1]}" "$suite/${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}"
		noted=''
	elif [[ ! $1 =~ ^(1\.\.|\# conform) ]]; then # the plan, the summary
		noted+=$1$'\n'
	fi
}

# Prints the results of a machine's part as they come, until it ends, at the latest at deadline.
conform_follow() {
	local node=$1 log noted='' line='' part='' last=''
	log=$(vm_log "$node" "$suite")
	vm_until "$node" "$log" 60 || return 0
	exec {in}<"$log"
	until [[ $last ]]; do
		# Looked at before the output is read, so that none is missed.
		if vm_ended "$node" "$suite" || ((SECONDS >= deadline)); then
			last=1
		fi
		while IFS= read -r -u "$in" line; do
			conform_line "$part$line"
			part=''
		done
		part+=$line
		[[ $last ]] || sleep 0.5
	done
	exec {in}<&-
	printf '%s' "$noted" | remarks
}

conform_run() { # SUITE NAME...
	local parts=('' '') node=0 name deadline=$((SECONDS + limit + 60))
	suite=$1
	shift
	for name; do
		parts[node]+=$name' '
		node=$((1 - node))
	done
	for node in 0 1; do
		# shellcheck disable=SC2086 # names are words
		[[ ! ${parts[node]} ]] || conform_start "$node" ${parts[node]}
	done
	for node in 0 1; do
		[[ ! ${parts[node]} ]] || conform_follow "$node"
	done
	for name; do
		[[ ${told[$name]-} ]] || result 'not ok' "$name" 'no result: its machine ended, or time was up'
	done
}

# --- cases over both machines -------------------------------------------------------------------------

case_run() { # NAME
	local log=$OUT/case.log start rc=0
	start=$(date +%s%3N)
	if machines_ready; then
		"case_$1" >"$log" 2>&1 || rc=$?
	else
		rc=1
		echo 'a machine did not start' >"$log"
	fi
	if ((rc == 0)); then
		result ok "two-machines/$1" "$(($(date +%s%3N) - start)) ms"
	else
		remarks <"$log"
		result 'not ok' "two-machines/$1" "$(($(date +%s%3N) - start)) ms"
		# What it has left running is not for the next; their messages are kept.
		vm_dmesg
		vm_stop
	fi
}

# Those that were killed start again.
machines_ready() {
	local node
	for node in 0 1; do
		vm_alive "$node" || vm_boot "$node"
	done
	for node in 0 1; do
		vm_ready "$node" || return
	done
}

# --- from start to end ------------------------------------------------------------------------------

# shellcheck disable=SC2317 # called by trap
finish() {
	local status=$?
	trap - EXIT INT TERM
	if [[ ${OUT-} ]]; then
		if ((failed && status < 128)); then
			vm_dmesg
		fi
		vm_stop
		rm -f "$OUT"/initrd.gz "$OUT"/net.*
		if ((failed || status)); then
			rm -rf "$CACHE/failed"
			mv "$OUT" "$CACHE/failed"
			echo "verbs: logs of the machines, consoles and dmesg: $CACHE/failed" >&3
		fi
		rm -rf "$OUT"
	fi
	rm -rf "$CACHE/unpack"
	exit "$status"
}

build='' tier=full filter='' results=/dev/null
while (($#)); do
	case $1 in
	--tier | --filter | --results)
		(($# > 1)) || die "$1 needs a value"
		case $1 in
		--tier) tier=$2 ;;
		--filter) filter=$2 ;;
		--results) results=$2 ;;
		esac
		shift
		;;
	-*) die "unknown option '$1'" ;;
	*) build=$1 ;;
	esac
	shift
done
[[ -x $build/tests/conform/conform ]] || die "no build in '$build': run ./dev build"

limit=$CONFORM_LIMIT_S
[[ $tier != nightly ]] || limit=$CONFORM_ALL_LIMIT_S
mapfile -t cached < <(conform_names conform-verbs)
mapfile -t uncached < <(conform_names conform-verbs-uncached)
mapfile -t pairs < <(printf 'two-machines/%s\n' "${CASES[@]}" | grep -E -- "$filter")
((${#cached[@]} + ${#uncached[@]} + ${#pairs[@]})) || die "no test matches '$filter'"

check_possible
exec 3>&1 # a case's output goes elsewhere
exec 9>"$CACHE/lock"
flock -n 9 || die "another ./dev test --verbs is at work in $CACHE"
rm -rf "$CACHE"/run.* # of runs that were killed
: >"$results"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
vm_prepare
cases_prepare
vm_start
((${#cached[@]} == 0)) || conform_run conform-verbs "${cached[@]}"
((${#uncached[@]} == 0)) || conform_run conform-verbs-uncached "${uncached[@]}"
for name in "${pairs[@]}"; do
	case_run "${name#two-machines/}"
done
echo "1..$number" >>"$results"
echo "# verbs: $passed passed, $failed failed, $skipped skipped in $SECONDS s"
((failed == 0))
