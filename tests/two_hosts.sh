#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command on host 1 of an emulated cluster of two. WEFT_PEER_ENV tells it the environment, NAME=VALUE
# separated by blanks, of what it wants to start on host 0.
#
#   two_hosts.sh WEFT-EMU [EMU-OPTION]... -- COMMAND [ARG]...
#
# Exit status: the command's.
set -euo pipefail

emu=$1
shift
options=()
while [[ ${1---} != -- ]]; do
	options+=("$1")
	shift
done
shift

# A process that is stopped stops its emulated device too, which on EFA would go on: so a silent device is
# given up after a longer time than tests stop a process for.
TIMEOUT=5s
# Short queues: libfabric's efa allocates, and clears, two packet buffers of 9 KB for each entry, in each endpoint.
QUEUES=(--device max_sq_wr=1024 --device max_rq_wr=4096)
base=$(mktemp -d /dev/shm/weft-two-hosts.XXXXXX)
world=$base/world

# shellcheck disable=SC2317 # called by trap
remove_world() {
	local gid
	# What libfabric's efa leaves of killed processes: its shm endpoints, by GID.
	"$emu" status --quiet --world "$world" 2>/dev/null | sed -n 's/.* GID \([^ ]*\) .*/\1/p' |
		while read -r gid; do
			rm -f "/dev/shm/${gid}_"*
		done || true
	"$emu" remove --quiet --force --world "$world" || rm -rf "$world"
	rm -rf "$base"
}
trap remove_world EXIT
trap 'exit 143' TERM INT

"$emu" create --quiet --world "$world" --hosts 2 --timeout "$TIMEOUT" "${QUEUES[@]}" "${options[@]}" >&2
# shellcheck disable=SC2016 # for the shell on host 0
WEFT_PEER_ENV=$("$emu" --quiet --world "$world" --host 0 -- \
	sh -c 'echo "WEFT_EMU_HOST=$WEFT_EMU_HOST SYSFS_PATH=$SYSFS_PATH"')
export WEFT_PEER_ENV
"$emu" --quiet --world "$world" --host 1 -- "$@"
