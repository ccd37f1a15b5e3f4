#!/bin/sh
# The first process of the virtual machine in which an agent runs (guest-agent.ts): a host with disks of its own, a shell on its
# second serial line for whoever plays the administrator, and a service manager that starts the agent again a second after its end.
export PATH=/usr/bin:/bin:/sbin HOME=/run
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t configfs none /sys/kernel/config 2>/dev/null
word() { tr ' ' '\n' < /proc/cmdline | sed -n "s/^guest\.$1=//p"; }
echo "guest: boot $(cut -d' ' -f1 /proc/uptime)"
hostname "$(word name)"
ip link set lo up
if [ -n "$(word address)" ]; then
  ip addr add "$(word address)" dev eth0
  ip link set eth0 up
fi
# What the package's sysctl.d file does.
echo "0 2147483647" > /proc/sys/net/ipv4/ping_group_range
for module in $(word modules | tr ',' ' '); do modprobe "$module"; done
mount -t ext4 /dev/vdb /data || { echo "guest: the disk cannot be mounted"; exec sleep 1000000; }
mkdir -p /data/cache /data/sysctl.d /run/sysctl.d
# What the distribution does at boot (systemd-sysctl(8)), with the files that outlive it.
for file in /data/sysctl.d/*.conf; do [ -e "$file" ] && sysctl -q -p "$file"; done
[ -e /data/boot.sh ] && sh /data/boot.sh
# poweroff(8) asks the first process. Everything ends, the disk is unmounted, and the kernel takes the power through ACPI (S5).
down() {
  trap '' USR2
  echo "guest: going down"
  kill -TERM -1
  tries=0
  while pidof node >/dev/null && [ $tries -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.2
  done
  kill -KILL -1
  umount /data && echo "guest: the disk is unmounted"
  poweroff -f
}
trap down USR2
# An answer of the shell begins and ends with what its question named.
setsid sh -c 'stty -echo raw 2>/dev/null; while :; do sh -s; done' </dev/ttyS1 >/dev/ttyS1 2>&1 &
echo "guest: ready $(cut -d' ' -f1 /proc/uptime)"
while :; do
  if [ -e /data/no-agent ]; then sleep 1; continue; fi
  # A signal is taken while it is waited for, not when a command in front has ended.
  /opt/upkeep/bin/upkeep agent -c /etc/upkeep/upkeep.yaml --log text &
  wait $!
  echo "guest: the agent ended with $?"
  sleep 1
done
