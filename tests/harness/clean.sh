# clean.sh STATE KEEP: ends a test cluster, whatever became of its owner: processes, control groups, ports, files.
# It reads its standard input first: the owner holds the other end of that pipe, and the end of the owner (also by
# SIGKILL) is the end of the pipe. Only what carries this cluster's mark is touched.
set -u
state=$1 keep=$2
trap '' INT TERM HUP
read -r _
case $state in /*/writ-clusters-*/?*) ;; *) echo "cluster: $state is no cluster" >&2; exit 1 ;; esac
[ -d "$state" ] || exit 0

# Every process that the harness started for this cluster has the mark in its environment.
marked() { grep -lzsxF "WRIT_COMPONENT_OF=$state" /proc/[0-9]*/environ | sed -E 's|/proc/([0-9]+)/environ|\1|'; }
patience=$((SECONDS + 30))
while pids=$(marked) && [ -n "$pids" ] && [ $SECONDS -lt $patience ]; do
  # shellcheck disable=SC2086
  kill -KILL $pids 2>/dev/null
  sleep 0.02
done

# A control group can be removed once the last process in it is gone.
if [ -s "$state/cgroup" ]; then
  group=$(cat "$state/cgroup")
  for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
    while [ -d "$root/$group" ] && [ $SECONDS -lt $patience ]; do
      find "$root/$group" -depth -type d -exec rmdir {} \; 2>/dev/null
      [ ! -d "$root/$group" ] || sleep 0.05
    done
  done
fi

if [ -e "$state/failed" ] && [ -d "$state/logs" ]; then
  place="$keep/$(basename "$state")-$(date +%Y%m%dT%H%M%S)"
  mkdir -p "$keep" && cp -r "$state/logs" "$place" && echo "cluster: logs kept in $place" >&2
fi

ports=$(dirname "$state")/.ports
[ ! -d "$ports" ] || grep -lsxF "$state" "$ports"/* | xargs -r rm -f
# A killed process may finish the system call that it is in, and so make a file while we remove the others.
until rm -rf --one-file-system -- "$state" 2>/dev/null || [ $SECONDS -ge $patience ]; do sleep 0.02; done
left=$(marked)
[ -z "$left" ] || { echo "cluster: processes of $state that would not end: $left" >&2; exit 1; }
[ ! -e "$state" ] || { echo "cluster: could not remove $state" >&2; exit 1; }
