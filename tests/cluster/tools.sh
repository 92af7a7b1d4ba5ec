#!/usr/bin/env bash
# Builds the third-party programs of the test clusters from Go modules, once per machine.
#
#   tools.sh                 build all that a cluster needs, with progress lines
#   tools.sh path PROGRAM…   print where each program is, one a line; builds what is missing
#   tools.sh list            name every program and whether it is built
#
# A group is a directory with a go.mod; its `tool` lines name the programs. Binaries are kept in
# ${XDG_CACHE_HOME:-$HOME/.cache}/writ/tools/GROUP-HASH, where HASH covers go.mod, go.sum, our
# own sources and the build flags below: another clone finds them, a changed pin builds anew.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME: the built programs are kept there}/.cache}/writ/tools

# PROGRAM GROUP PACKAGE, in the order in which they are built. The last four are built on demand only.
programs() {
  cat <<'EOF'
etcd                    etcd                go.etcd.io/etcd/server/v3
kube-apiserver          kubernetes          k8s.io/kubernetes/cmd/kube-apiserver
kubectl                 kubernetes          k8s.io/kubernetes/cmd/kubectl
kube-controller-manager kubernetes          k8s.io/kubernetes/cmd/kube-controller-manager
kube-scheduler          kubernetes          k8s.io/kubernetes/cmd/kube-scheduler
kubelet                 kubernetes          k8s.io/kubernetes/cmd/kubelet
kube-proxy              kubernetes          k8s.io/kubernetes/cmd/kube-proxy
helm                    helm                helm.sh/helm/v4/cmd/helm
kube-apiserver-previous kubernetes-previous k8s.io/kubernetes/cmd/kube-apiserver
survey                  survey              .
nothing                 nothing             .
cel-oracle              cel-oracle          .
EOF
}
default_programs() { programs | awk '$2 !~ /^(kubernetes-previous|survey|nothing|cel-oracle)$/ { print $1 }'; }

fail() { echo "tools: $*" >&2; exit 2; }
say() { echo "tools: $*" >&2; }

# Without these the servers call themselves v0.0.0 and helm refuses charts by version.
ldflags() {
  local version major minor
  case $1 in
    kubernetes*)
      version=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3; exit } $1 == "k8s.io/kubernetes" { print $2; exit }' "$here/tools/$1/go.mod")
      major=${version#v}; major=${major%%.*}
      minor=${version#v*.}; minor=${minor%%.*}
      for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        printf -- '-X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s ' \
          $package "$version" $package "$major" $package "$minor"
      done ;;
    helm)
      version=$(awk '$1 == "require" && $2 == "helm.sh/helm/v4" { print $3; exit } $1 == "helm.sh/helm/v4" { print $2; exit }' "$here/tools/helm/go.mod")
      printf -- '-X helm.sh/helm/v4/internal/version.version=%s ' "$version" ;;
  esac
  printf -- '-s -w'
}

group_dir() {
  local hash
  hash=$({ find "$here/tools/$1" -name 'go.*' -o -name '*.go' | LC_ALL=C sort | xargs cat; ldflags "$1"; } | sha256sum)
  echo "$cache/$1-${hash:0:16}"
}

check_go() {
  command -v go >/dev/null || fail "Go is missing: install Go 1.26 or newer (the 'golang' package of a current distribution) and put it on PATH"
  local minor
  minor=$(go env GOVERSION | sed -nE 's/^go1\.([0-9]+).*/\1/p')
  [ "${minor:-0}" -ge 26 ] || fail "$(go env GOVERSION) is too old: install Go 1.26 or newer and put it on PATH"
}

# build PROGRAM GROUP PACKAGE LABEL: nothing to do if it is there; a second builder waits for the first.
build() {
  local program=$1 group=$2 package=$3 label=$4 dir lock start
  dir=$(group_dir "$group")
  [ ! -x "$dir/$program" ] || return 0
  check_go
  mkdir -p "$dir"
  exec {lock}>"$dir.lock"
  flock -n "$lock" || { say "$label waiting for another build of group $group"; flock "$lock"; }
  if [ ! -x "$dir/$program" ]; then
    start=$SECONDS
    say "$label building $package"
    rm -f "$dir"/*.partial
    if ! (cd "$here/tools/$group" && CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=readonly' \
            nice -n 5 go build -v -trimpath -ldflags "$(ldflags "$group")" -o "$dir/$program.partial" "$package") \
            {lock}>&- 2>&1 | tee "$dir/$program.log" | progress "$label"; then
      tail -n 20 "$dir/$program.log" >&2
      fail "building $program failed; the whole output is in $dir/$program.log"
    fi
    mv "$dir/$program.partial" "$dir/$program"
    rm -f "$dir/$program.log"
    say "$label built in $((SECONDS - start)) s"
  fi
  exec {lock}>&-
}

# go build -v names a package when it is compiled: a line now and then shows that it goes on.
progress() {
  local label=$1 count=0 start=$SECONDS last=$SECONDS
  while read -r _; do
    count=$((count + 1))
    if ((SECONDS - last >= 15)); then
      last=$SECONDS
      say "$label $count packages after $((SECONDS - start)) s"
    fi
  done
}

ensure() {
  local number=0 missing=() program group package
  for program in "$@"; do
    read -r _ group package < <(programs | awk -v p="$program" '$1 == p') || fail "no program is called '$program'; see 'tools.sh list'"
    [ -x "$(group_dir "$group")/$program" ] || missing+=("$program $group $package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "${#missing[@]} to build from Go modules into $cache, once per machine (all together take 8 to 12 minutes on two cores)"
  for entry in "${missing[@]}"; do
    number=$((number + 1))
    read -r program group package <<<"$entry"
    build "$program" "$group" "$package" "[$number/${#missing[@]}] $program:"
  done
}

case ${1:-build} in
  build)
    # shellcheck disable=SC2046
    ensure $(default_programs)
    say "all programs are in $cache" ;;
  path)
    shift
    ensure "$@"
    for program in "$@"; do
      echo "$(group_dir "$(programs | awk -v p="$program" '$1 == p { print $2 }')")/$program"
    done ;;
  list)
    while read -r program group _; do
      dir=$(group_dir "$group")
      printf '%-24s %s\n' "$program" "$([ -x "$dir/$program" ] && echo "$dir/$program" || echo 'not built')"
    done < <(programs) ;;
  *) fail "unknown command '$1': use build, path PROGRAM… or list" ;;
esac
