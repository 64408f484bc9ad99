#!/bin/sh
# The first process of the machine (machine.py): loads the modules, forwards packets, then runs what comes over its
# serial line. A request is a line of base64, a shell script; the answer a line: exit status, output and errors, the
# latter two in base64.
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
ln -s /proc/self/fd/0 /dev/stdin
for module in $(cat /modules/order); do
	insmod "/modules/$module" || poweroff -f
done
cd /proc/sys/net || poweroff -f
echo 1 >ipv4/ip_forward
echo 1 >ipv6/conf/all/forwarding
for group in all default; do
	echo 0 >ipv6/conf/$group/accept_dad
	echo 0 >ipv6/conf/$group/accept_ra
done
cd /
ip link set lo up
exec 0</dev/ttyS0 1>/dev/ttyS0
stty raw -echo
echo ready
while read -r request; do
	echo "$request" | base64 -d >/request
	sh /request </dev/null >/output 2>/errors
	echo "$? $(base64 -w 0 /output) $(base64 -w 0 /errors)"
done
poweroff -f
