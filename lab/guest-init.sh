#!/bin/sh
# The first process of the virtual machine in which a watcher runs (guest.ts): what its administrator would have set up, and
# a service manager that starts the watcher again a second after its end, whatever that was. Everything that must outlive the
# machine's death is on /data.
export PATH=/bin:/sbin HOME=/run
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
word() { tr ' ' '\n' < /proc/cmdline | sed -n "s/^guest\.$1=//p"; }
echo "guest: boot $(cut -d' ' -f1 /proc/uptime)"
hostname watch-vm
ip link set lo up
ip addr add "$(word address)" dev eth0
ip link set eth0 up
echo "0 2147483647" > /proc/sys/net/ipv4/ping_group_range
# Nothing is repaired by hand: the journal of ext4 is replayed by the mount, or the machine stays down and the test fails.
mount -t ext4 /dev/vdb /data || { echo "guest: the disk cannot be mounted"; exec sleep 1000000; }
mkdir -p /data/cache
echo "guest: disk $(cut -d' ' -f1 /proc/uptime)"
while :; do
  /opt/upkeep/bin/upkeep watch -c /etc/upkeep/upkeep.yaml --log text
  echo "guest: the watcher ended with $?"
  sleep 1
done
