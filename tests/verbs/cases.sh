#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Cases over both machines, for run.sh, which sources this. Each is a function that returns 0 when all is well and
# says on its output what is not. A machine that a case kills is started again for the next.
#
# Before: build is the build folder, CACHE as for vm.sh.

# shellcheck disable=SC2034 # for run.sh
CASES=(kv kv_on_grpc copy client_machine_killed server_machine_killed receiver_machine_killed)
JOB_S=240      # for what takes seconds on an idle machine
SERVE_S=600    # for what runs as long as a case
BIG_MIB=64     # takes long enough to be killed in the middle of
UNDERWAY=500   # packets of 4 KiB that have come: so it is under way
PORT=7400
RXE=/sys/class/infiniband/rxe0/ports/1/hw_counters
jobs=0 # gives each job a name of its own

# shellcheck disable=SC2154 # build: run.sh's
cases_prepare() {
	mkdir -p "$CACHE/bin"
	cc -O2 -Iinclude -o "$CACHE/bin/copy" examples/copy.c -L"$build/src/segment" -lweft
	big=$CACHE/bin/big-$BIG_MIB
	[[ -e $big ]] || {
		head -c $((BIG_MIB << 20)) /dev/urandom >"$big.new"
		mv "$big.new" "$big"
	}
}

# start NODE LIMIT COMMAND: starts a command in the source tree; job is its name.
start() {
	jobs=$((jobs + 1))
	job=job$jobs
	vm_run "$1" "$job" "$2" "cd '$PWD' || exit
		export LD_LIBRARY_PATH='$build/src/segment'
		weft='$build/programs/weft/weft' copy='$CACHE/bin/copy' big='$big' PID=/run/$job.pid
		echo \$\$ >\$PID
		$3"
}

# ends NODE JOB LIMIT STATUS...: waits; 1, with what it said, when its exit status is none of those.
ends() {
	local node=$1 name=$2 limit=$3 rc=0
	shift 3
	vm_wait "$node" "$name" "$limit" || rc=$?
	[[ " $* " != *" $rc "* ]] || return 0
	echo "machine $node: exit status $rc, not $*:"
	tail -n +4 "$OUT/$node/$name.taken" 2>/dev/null || echo 'not taken'
	tail -n 20 "$(vm_log "$node" "$name")" 2>/dev/null
	return 1
}

# does NODE COMMAND: runs it to its end, which must be status 0.
does() {
	start "$1" "$JOB_S" "$2"
	ends "$1" "$job" "$JOB_S" 0
}

# says NODE JOB PATTERN: waits until a job's output has a line like that.
says() {
	local log limit=$((SECONDS + JOB_S))
	log=$(vm_log "$1" "$2")
	until grep -qs -e "$3" "$log"; do
		if vm_ended "$1" "$2" || ((SECONDS >= limit)); then
			echo "machine $1 did not say '$3':"
			tail -n 20 "$log"
			return 1
		fi
		sleep 0.2
	done
}

# A server in a machine; server is the job.
serve() {
	start "$1" "$SERVE_S" "exec \$weft serve --listen-addr $(vm_address "$1"):$PORT --memory-mb 96 \
		--provider verbs"
	server=$job
	says "$1" "$server" 'ready on'
}

serve_ends() {
	does "$1" "kill -TERM \$(cat /run/$2.pid)" && ends "$1" "$2" "$JOB_S" 0
}

# client NODE SERVER-NODE ARGUMENT...: the command line of a client.
client() {
	local server=$2
	shift 2
	echo "\$weft kv --server-addr $(vm_address "$server"):$PORT --provider verbs --buffer-mb 8 $*"
}

# The same values come back, and they went over the device.
moves_values() { # NODE SERVER-NODE OPTION...
	local kv
	kv=$(client "$@")
	does "$1" "set -e
		before=\$(cat $RXE/sent_pkts)
		$kv put short hello
		test \"\$($kv get short)\" = hello
		head -c 6000000 \$big >/dev/shm/in
		for bytes in 4097 6000000; do
			head -c \$bytes /dev/shm/in >/dev/shm/part
			$kv put key-\$bytes --file /dev/shm/part
			$kv get key-\$bytes --output /dev/shm/out
			cmp /dev/shm/part /dev/shm/out
		done
		$kv delete short
		! $kv get short || exit 1
		rm -f /dev/shm/in /dev/shm/part /dev/shm/out
		sent=\$((\$(cat $RXE/sent_pkts) - before))
		echo \$sent packets
		test \$sent -ge \$((6000000 / 4096))"
}

# After a machine was killed: another value goes the same way.
goes_on() { # NODE SERVER-NODE
	local kv
	kv=$(client "$@")
	does "$1" "set -e
		head -c 1000000 \$big >/dev/shm/part
		$kv put after --file /dev/shm/part
		$kv get after --output /dev/shm/out
		cmp /dev/shm/part /dev/shm/out
		rm -f /dev/shm/part /dev/shm/out"
}

case_kv() {
	serve 0 && moves_values 1 0 && serve_ends 0 "$server"
}

case_kv_on_grpc() {
	serve 0 && moves_values 1 0 --control grpc && serve_ends 0 "$server"
}

# The example, which lets weft choose the way: verbs, since that is there.
case_copy() {
	local receiver
	start 0 "$SERVE_S" "exec \$copy receive $(vm_address 0):$PORT /dev/shm/copied 10000000"
	receiver=$job
	says 0 "$receiver" ":$PORT" && does 1 "set -e
		before=\$(cat $RXE/sent_pkts)
		head -c 9999999 \$big >/dev/shm/in
		\$copy send $(vm_address 0):$PORT /dev/shm/in
		rm /dev/shm/in
		test \$((\$(cat $RXE/sent_pkts) - before)) -ge \$((9999999 / 4096))" &&
		ends 0 "$receiver" "$JOB_S" 0 &&
		does 0 "head -c 9999999 \$big | cmp - /dev/shm/copied && rm /dev/shm/copied"
}

# Waits until so many packets have come to a machine since before, a number that is printed by came.
came() {
	does "$1" "cat $RXE/rcvd_pkts" >&2 && cat "$(vm_log "$1" "$job")"
}

underway() { # NODE BEFORE
	does "$1" "while test \$((\$(cat $RXE/rcvd_pkts) - $2)) -lt $UNDERWAY; do sleep 0.1; done"
}

# transfer_ends JOB BEFORE STATUS...: JOB moves something from machine 1 to machine 0, which goes down in the middle of it. It
# must end by itself with one of these statuses, which stand for a reason.
transfer_ends() {
	local name=$1 before=$2
	shift 2
	underway 0 "$before" || return
	! vm_ended 1 "$name" || {
		echo 'the transfer ended before the machine did:'
		tail -n 5 "$(vm_log 1 "$name")"
		return 1
	}
	vm_kill 0
	ends 1 "$name" "$JOB_S" "$@"
}

# A client's machine goes down in the middle of its put: the server drops what it had of the value, and serves others.
case_client_machine_killed() {
	local before put
	serve 0 && before=$(came 0) || return
	start 1 "$SERVE_S" "exec $(client 1 0 put big --file "\$big")"
	put=$job
	underway 0 "$before" || return
	! vm_ended 1 "$put" || {
		echo 'the put ended before its machine did'
		return 1
	}
	vm_kill 1
	goes_on 0 0 || return
	start 0 "$JOB_S" "exec $(client 0 0 stat big)"
	ends 0 "$job" "$JOB_S" 3 && serve_ends 0 "$server"
}

# A server's machine goes down under a put: that ends with a reason, and the client's machine goes on.
case_server_machine_killed() {
	local before
	serve 0 && before=$(came 0) || return
	start 1 "$SERVE_S" "exec $(client 1 0 put big --file "\$big")"
	transfer_ends "$job" "$before" 8 10 12 && serve 1 && goes_on 1 1 && serve_ends 1 "$server"
}

# The same of one batch of WRITEs with a deadline.
case_receiver_machine_killed() {
	local before
	start 0 "$SERVE_S" "exec \$copy receive $(vm_address 0):$PORT /dev/shm/copied $((BIG_MIB << 20))"
	says 0 "$job" ":$PORT" && before=$(came 0) || return
	start 1 "$SERVE_S" "exec \$copy send $(vm_address 0):$PORT \$big"
	transfer_ends "$job" "$before" 10 12
}
