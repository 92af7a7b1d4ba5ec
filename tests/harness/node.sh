# node.sh STATE GROUP ADDRESS SERVICES: the first process in the namespaces of a node cluster. It makes them fit for a node,
# says so by the file STATE/node, and reaps what is left to it. It must leave no trace outside the namespaces, so
# whatever containerd and kubelet write at fixed places goes to a tmpfs.
set -eu
state=$1 group=$2 address=$3 services=$4
PATH=$PATH:/usr/sbin:/sbin

mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/lock /run/writ/sysctl
for fixed in /var/lib /var/log; do
  aside=/run/writ$fixed
  mkdir -p "$aside/upper" "$aside/work"
  mount -t overlay -o "lowerdir=$fixed,upperdir=$aside/upper,workdir=$aside/work" overlay "$fixed"
done

# The kubelet wants these values and would set them for the whole machine: it finds them in files of the namespace.
while read -r name value; do
  file=/run/writ/sysctl/${name//\//.}
  echo "$value" >"$file"
  mount --bind "$file" "/proc/sys/$name"
done <<'EOF'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
EOF

ip link set lo up
ip link add cni0 type bridge
ip address add "$address/16" dev cni0
ip link set cni0 up
# Without a route a connection to a Service would be refused before kube-proxy's rules see it.
ip route add "$services" dev cni0
echo 1 >/proc/sys/net/ipv4/ip_forward

# The pods' control groups: below one group of this cluster, in each hierarchy (version 1) or in the one (version 2).
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p "/sys/fs/cgroup/$group"
else
  for hierarchy in /sys/fs/cgroup/*/; do
    [ ! -e "$hierarchy/cgroup.procs" ] || mkdir -p "$hierarchy$group"
  done
fi

touch "$state/node"
exec </dev/null
while :; do
  sleep 86400 &
  wait $! || true
done
