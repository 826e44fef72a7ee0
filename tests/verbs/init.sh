#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# The first process of a virtual machine of vm.sh, in its initramfs: makes the root file system, the network and the
# soft-RoCE device rxe0, and becomes the agent.
b=/bin/busybox

$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
for module in /modules/*.ko; do
	$b insmod "$module" || echo "init: insmod $module failed"
done
node=$($b sed -n 's/.*verbs\.node=\([01]\).*/\1/p' /proc/cmdline)

p9=trans=virtio,version=9p2000.L,msize=262144
$b mount -t 9p -o "ro,cache=loose,$p9" root /lower
$b mount -t tmpfs tmpfs /memory
$b mkdir /memory/upper /memory/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work overlay /root
for folder in proc sys dev; do
	$b mount -o move /$folder /root/$folder
done
$b mkdir -p /root/dev/shm /root/dev/pts
$b mount -t tmpfs tmpfs /root/dev/shm
$b mount -t devpts devpts /root/dev/pts
$b mount -t tmpfs tmpfs /root/run
$b mkdir /root/run/verbs
$b mount -t 9p -o "rw,cache=none,$p9" out /root/run/verbs

# 4200: RoCE's packets of 4096 bytes with their headers.
$b ip link set lo up
$b ip link set eth0 mtu 4200 up
$b ip addr add "10.99.0.$((node + 1))/24" dev eth0
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root NODE="$node"
ulimit -l unlimited
$b chroot /root /bin/bash /run/verbs/agent
echo "init: the agent ended"
$b poweroff -f
