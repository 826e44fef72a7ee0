#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two throw-away virtual machines with soft-RoCE, for run.sh, which sources this. Each boots Debian's own kernel
# under QEMU without KVM, has this machine's root file system (read-only, with what it writes in its own memory),
# and runs what the host asks of it (agent.sh).
#
# Before: CACHE is a folder of ours, kept from run to run.
# After vm_start: OUT is a folder that all share, /run/verbs in the machines, and where QEMU runs.

VM_MIB=512
VM_BOOT_S=120
# In the order of their numbers; what they depend on is found. rxe asks for crc32 by another name.
VM_MODULES=(virtio_pci virtio_net 9p 9pnet_virtio overlay ib_uverbs rdma_ucm crc32_generic rdma_rxe)
VM_PIDS=()

# --- once: a kernel and its modules -------------------------------------------------------------------

# The ELF image in the compressed one: the decompressor alone takes QEMU six seconds.
vm_unpack_kernel() {
	local image=$1 to=$2 magic program at
	for program in xz zstd; do
		case $program in
		xz) magic='\xfd7zXZ' ;;
		zstd) magic='\x28\xb5\x2f\xfd' ;;
		esac
		while IFS=: read -r at _; do
			# What follows the kernel in the image is no error here.
			tail -c "+$((at + 1))" "$image" | "$program" -dcq >"$to.new" 2>/dev/null || true
			if [[ $(head -c 4 "$to.new" | tail -c 3) == ELF ]]; then
				mv "$to.new" "$to"
				return
			fi
		done < <(LC_ALL=C grep -aboP "$magic" "$image" | tr -d '\0')
	done
	rm -f "$to.new"
	cp "$image" "$to"
}

# vm_module FROM NAME: puts a module of the package into CACHE/modules, after those that it needs, as NNN-NAME.ko.
vm_module() {
	local from=$1 name=$2 packed to need
	! compgen -G "$CACHE/modules/???-$name.ko" >/dev/null || return 0
	packed=$(find "$from" -name "${name//_/[-_]}.ko*" | head -n 1)
	[[ $packed ]] || die "the kernel's package has no module '$name'"
	to=$CACHE/modules/$name.ko
	case $packed in
	*.xz) xz -dc "$packed" >"$to" ;;
	*) cp "$packed" "$to" ;;
	esac
	for need in $(tr '\0' '\n' <"$to" | sed -n 's/^depends=//p' | tr , ' '); do
		vm_module "$from" "$need"
	done
	vm_number=$((vm_number + 1))
	mv "$to" "$CACHE/modules/$vm_number-$name.ko"
}

# The kernel's package is unpacked, not installed. What is kept of it: vmlinux and modules/NNN-NAME.ko.
vm_prepare() {
	local package work=$CACHE/unpack name vm_number=100
	[[ ! -e $CACHE/ready || $(<"$CACHE/ready") != "${VM_MODULES[*]}" ]] || return 0
	package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-\)/\1/p' | head -n 1)
	[[ $package ]] || die "apt knows no package linux-image-amd64: run 'apt-get update'"
	echo "verbs: unpacking $package into $CACHE (about 70 MB to download, once)"
	rm -rf "$work" "$CACHE/modules" "$CACHE/ready"
	mkdir -p "$work" "$CACHE/modules"
	(cd "$work" && apt-get download -q "$package") >"$CACHE/apt.log" 2>&1 || {
		tail -n 5 "$CACHE/apt.log" >&2
		die "apt-get could not download $package: see $CACHE/apt.log"
	}
	dpkg-deb -x "$work"/*.deb "$work/root"
	vm_unpack_kernel "$work"/root/boot/vmlinuz-* "$CACHE/vmlinux"
	for name in "${VM_MODULES[@]}"; do
		vm_module "$work/root/lib/modules" "$name"
	done
	rm -rf "$work"
	echo "${VM_MODULES[*]}" >"$CACHE/ready"
}

vm_initramfs() {
	local tree=$OUT/initramfs
	mkdir -p "$tree"/{bin,modules,proc,sys,dev,lower,memory,root}
	cp "$(command -v busybox)" "$tree/bin/busybox"
	cp "$CACHE"/modules/*.ko "$tree/modules"
	cp tests/verbs/init.sh "$tree/init"
	chmod 755 "$tree/init"
	(cd "$tree" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$OUT/initrd.gz"
	rm -rf "$tree"
}

# --- the machines -----------------------------------------------------------------------------------

vm_start() {
	local node
	OUT=$(mktemp -d "$CACHE/run.XXXXXX")
	vm_initramfs
	cp tests/verbs/agent.sh "$OUT/agent"
	mkdir "$OUT/0" "$OUT/1"
	for node in 0 1; do
		vm_boot "$node"
	done
	for node in 0 1; do
		vm_ready "$node" || die "machine $node did not start: see console.$node and qemu.$node"
	done
}

# Waits until a machine has started.
vm_ready() {
	vm_until "$1" "$OUT/$1/ready" "$VM_BOOT_S" || case $? in
	1) echo "machine $1 did not start within $VM_BOOT_S s" ;;
	*) echo "machine $1 ended while it started" ;;
	esac
	[[ -e $OUT/$1/ready ]]
}

# Both lie on one Ethernet segment, of datagrams between two sockets. They end with this process in any case.
vm_boot() {
	local node=$1 other=$((1 - $1))
	rm -f "$OUT/$node/ready" "$OUT/net.$node"
	(
		cd "$OUT" || exit
		exec setpriv --pdeathsig KILL qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max \
			-smp 1 -m "$VM_MIB" -nodefaults -display none -no-reboot \
			-chardev "file,id=console,path=console.$node,append=on" -serial chardev:console \
			-kernel ../vmlinux -initrd initrd.gz \
			-append "console=ttyS0 loglevel=5 panic=-1 mitigations=off nokaslr no_timer_check apparmor=0 verbs.node=$node" \
			-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
			-device virtio-9p-pci,fsdev=root,mount_tag=root \
			-fsdev local,id=out,path=.,security_model=none \
			-device virtio-9p-pci,fsdev=out,mount_tag=out \
			-netdev "dgram,id=net,local.type=unix,local.path=net.$node,remote.type=unix,remote.path=net.$other" \
			-device "virtio-net-pci,netdev=net,romfile=,mac=52:54:00:00:00:0$((node + 1))"
	) >>"$OUT/qemu.$node" 2>&1 </dev/null 3>&- 9>&- &
	VM_PIDS[node]=$!
}

vm_address() {
	echo "10.99.0.$(($1 + 1))"
}

vm_alive() {
	[[ ${VM_PIDS[$1]-} ]] && kill -0 "${VM_PIDS[$1]}" 2>/dev/null
}

# Waits until a file is there: 1 after LIMIT seconds, 2 when the machine has ended.
vm_until() {
	local node=$1 file=$2 limit=$((SECONDS + $3))
	until [[ -e $file ]]; do
		vm_alive "$node" || return 2
		((SECONDS < limit)) || return 1
		sleep 0.2
	done
}

# vm_run NODE NAME LIMIT COMMAND: starts COMMAND, for bash, in a machine. At the end of LIMIT seconds it is ended.
vm_run() {
	local base=$OUT/$1/$2
	printf '%s\n' "$3" "$4" >"$base.new"
	mv "$base.new" "$base.ask"
}

# vm_wait NODE NAME LIMIT: the exit status of what was started: 124 when it took longer, 99 when the machine ended.
vm_wait() {
	local base=$OUT/$1/$2
	vm_until "$1" "$base.status" "$(($3 + 20))" || case $? in
	1) return 124 ;;
	*) return 99 ;;
	esac
	return "$(<"$base.status")"
}

# Whether what was started has ended, or cannot end any more.
vm_ended() {
	[[ -e $OUT/$1/$2.status ]] || ! vm_alive "$1"
}

vm_log() {
	echo "$OUT/$1/$2.log"
}

vm_kill() {
	kill -KILL "${VM_PIDS[$1]}" 2>/dev/null || true
	wait "${VM_PIDS[$1]}" 2>/dev/null || true
}

# The kernel's messages of those that run, for the logs.
vm_dmesg() {
	local node
	for node in "${!VM_PIDS[@]}"; do
		if [[ -e $OUT/$node/ready ]] && vm_alive "$node"; then
			rm -f "$OUT/$node/dmesg.status"
			vm_run "$node" dmesg 10 dmesg
			vm_until "$node" "$OUT/$node/dmesg.status" 15 || true
		fi
	done
}

vm_stop() {
	local node
	for node in "${!VM_PIDS[@]}"; do
		vm_kill "$node"
	done
	VM_PIDS=()
}
