# A virtual machine from the inside: `sh machine.sh COMMAND`.
#   boot DISK NAME ADDRESS ADDRESS6   first process of fresh mount, pid, uts and ipc namespaces; never returns
#   wedge KIND | heal KIND            in a booted machine
# The disk is a copy-on-write layer over this machine's own root, so that every program installed here exists there.
# Whatever a wedge does lives in memory, processes or mounts: a power cycle ends it, as it would on a real host.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin

log=/run/lab/log
host_key=/etc/ssh/upkeep_lab_host_key

# OpenSSH 9.8 and later answer from a program of its own, and punish addresses that connect without logging in.
sshd_session=/usr/lib/openssh/sshd-session

start_sshd() {
  [ -e "$host_key" ] || ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$host_key"
  mkdir -p /run/sshd
  cat >/run/lab/sshd_config <<END
HostKey $host_key
PidFile none
UsePAM no
UseDNS no
PasswordAuthentication no
PermitRootLogin no
MaxStartups 1000
LogLevel ERROR
END
  if [ -e "$sshd_session" ]; then echo 'PerSourcePenalties no' >>/run/lab/sshd_config; fi
  # By its absolute path: for each connection it starts itself again.
  /usr/sbin/sshd -D -e -f /run/lab/sshd_config </dev/null >>"$log" 2>&1 &
  echo $! >/run/lab/sshd.pid
}

# start_dns PIDFILE ARGUMENT...
start_dns() {
  pid_file=$1; shift
  dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --pid-file= --log-facility=- "$@" \
    </dev/null >>"$log" 2>&1 &
  echo $! >"/run/lab/$pid_file"
}

stop_dns() {
  for pid_file in dns.pid zone.pid; do
    [ -e "/run/lab/$pid_file" ] || continue
    pid=$(cat "/run/lab/$pid_file")
    kill "$pid" 2>/dev/null || true
    patiently not kill -0 "$pid"
    rm "/run/lab/$pid_file"
  done
}

start_zone() { start_dns "$1" --local=/lab.test/ --host-record="$(cat /run/lab/record)" "$2"; }

# patiently COMMAND...: until it succeeds, for at most five seconds
patiently() {
  tries=0
  until "$@" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 500 ]; then echo "never came true: $*" >&2; tail -n 5 "$log" >&2; exit 1; fi
    sleep 0.01
  done
}
not() { ! "$@"; }
# Ports in hexadecimal; 0A is LISTEN (proc_net_tcp.rst).
ssh_open() { grep -q ':0016 [0-9]*:0000 0A ' /proc/net/tcp; }
dns_open() { grep -q ':0035 ' /proc/net/udp && grep -q ':0035 [0-9]*:0000 0A ' /proc/net/tcp; }

boot() {
  script=$(realpath "$0") disk=$1 name=$2 address=$3 address6=$4
  mount --make-rprivate /
  mkdir -p "$disk/upper" "$disk/work" "$disk/root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work,index=off" "$disk/root"
  cd "$disk/root"
  mount -t proc proc proc
  mount -t sysfs -o ro sysfs sys
  mount -t tmpfs -o mode=755 tmpfs dev
  for device in null zero full random urandom tty; do
    : >"dev/$device"
    mount --bind "/dev/$device" "dev/$device"
  done
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  mount -t tmpfs -o mode=755 tmpfs run
  mkdir run/lab run/old
  # The checkout may lie on a file system that the machine does not have.
  cp "$script" run/lab/machine.sh
  pivot_root . run/old
  cd /
  umount -l /run/old
  rmdir /run/old
  hostname "$name"

  printf '%s' "$name.lab.test,$address,$address6,0" >/run/lab/record
  start_zone dns.pid --port=53
  start_sshd
  patiently ssh_open
  patiently dns_open
  echo serving
  exec >/dev/null
  # The first process adopts and reaps orphans: `wait` collects any child that ends.
  while :; do sleep 86400 & wait $!; done
}

wedge() {
  case $1 in
    sshd-stopped) kill -STOP "$(cat /run/lab/sshd.pid)" ;;
    banner-silent)
      # The server accepts and starts its session, and that hangs before its first word, as on a dead disk.
      session=/usr/sbin/sshd
      if [ -e "$sshd_session" ]; then session=$sshd_session; fi
      printf '#!/bin/sh\nexec sleep 86400\n' >/run/lab/hangs
      chmod 755 /run/lab/hangs
      mount --bind /run/lab/hangs "$session"
      echo "$session" >/run/lab/hung ;;
    dns-servfail)
      # A validating server whose zone has lost its signatures: really bogus, so really SERVFAIL (RFC 4035 §5.5).
      anchor=20326,8,2,E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
      stop_dns
      start_dns zone.pid --local=/lab.test/ --host-record="$(cat /run/lab/record)" \
        --port=5353 --listen-address=127.0.0.1 --bind-interfaces
      start_dns dns.pid --port=53 --server=127.0.0.1#5353 --dnssec --trust-anchor=.,$anchor --trust-anchor=lab.test,$anchor
      patiently grep -q ':14E9 ' /proc/net/udp
      patiently dns_open ;;
    *) echo "no such wedge: $1" >&2; exit 2 ;;
  esac
}

heal() {
  case $1 in
    sshd-stopped) kill -CONT "$(cat /run/lab/sshd.pid)" ;;
    banner-silent)
      # A connection may just be starting the program that is mounted there.
      umount -l "$(cat /run/lab/hung)"
      sshd=$(cat /run/lab/sshd.pid)
      kill $(cat "/proc/$sshd/task/$sshd/children") 2>/dev/null || true ;;
    dns-servfail)
      stop_dns
      start_zone dns.pid --port=53
      patiently dns_open ;;
    *) echo "no such wedge: $1" >&2; exit 2 ;;
  esac
}

"$@"
