#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In a virtual machine of vm.sh: runs what the host asks for. NAME.ask has a limit in seconds in its first line and
# a command after it; output comes in NAME.log, the exit status, at the end, in NAME.status.
set -u
cd "/run/verbs/$NODE" || exit 1

# Of weft's verbs way: with room for 1024 peers, its default, libfabric asks for a longer queue than rxe makes.
export FI_UNIVERSE_SIZE=64

rdma link add rxe0 type rxe netdev eth0 || exit 1
# To sleep without a process for it: nothing ever comes through this pipe.
mkfifo /run/tick
exec 9<>/run/tick

run() {
	local name=$1 limit command
	{
		read -r limit
		command=$(cat)
	} <"$name.taken"
	timeout -k 5 "$limit" bash -c "$command" </dev/null >"$name.log" 2>&1
	echo $? >"$name.new"
	mv "$name.new" "$name.status"
}

until ibv_devinfo -d rxe0 >devinfo.log 2>&1 && grep -q PORT_ACTIVE devinfo.log; do
	read -r -t 0.2 -u 9
done
echo >ready
while :; do
	for ask in *.ask; do
		[[ -e $ask ]] || continue
		mv "$ask" "${ask%.ask}.taken"
		run "${ask%.ask}" &
	done
	read -r -t 0.3 -u 9
done
