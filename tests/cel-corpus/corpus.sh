#!/usr/bin/env bash
# Prints where the corpus of real expressions is, one JSON object a line: the test tables of the API server's CEL
# libraries, and the admission policies inside published Go modules with the objects beside them.
#
# `corpus.sh folder MODULE` prints where one of these modules is instead.
#
# It is read from pinned modules once per machine, into the cache outside the repository; nothing of it is copied here.
# A changed pin is another file.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
oracle=$here/../cluster/tools/cel-oracle

# MODULE VERSION CHECKSUM FOLDER, the checksum as in go.sum.
modules() {
  cat <<'LIST'
k8s.io/apiserver           v0.37.2 h1:9Jq73PeHAA0RThpW7ou6lBcO2+SxLcPrAgleONSMUNQ= pkg/cel/library
github.com/kyverno/kyverno v1.19.1 h1:/MkgFii3/VlQfKR1JpC9tVwNNVNQTt2S4U6qCsafsTU= .
k8s.io/kubernetes          v1.37.2 h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE= test
LIST
}

hash=$(cat "$here/corpus.sh" "$oracle/corpus.go" | sha256sum)
cache=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME: the corpus is kept there}/.cache}/writ/cel-corpus-${hash:0:16}.jsonl
fail() { echo "cel-corpus: $*" >&2; exit 2; }

# The folder of MODULE VERSION CHECKSUM. Outside of any module: what is downloaded is no dependency of ours.
folder() {
  command -v go >/dev/null || fail "Go is missing: install Go 1.26 or newer and put it on PATH"
  local found
  found=$(cd / && GOFLAGS=-mod=mod go mod download -json "$1@$2") || fail "cannot download $1@$2"
  [ "$(sed -n 's/^\t"Sum": "\(.*\)",$/\1/p' <<<"$found")" = "$3" ] || fail "$1@$2 has another checksum than the pinned one"
  sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<<"$found"
}

if [ "${1:-}" = folder ]; then
  read -r module version sum _ < <(modules | grep "^${2:?name a module} ") || fail "$2 is not among the modules"
  folder "$module" "$version" "$sum"
  exit
fi

mkdir -p "$(dirname "$cache")"
exec 9>"$cache.lock"
flock 9
if [ ! -e "$cache" ]; then
  program=$("$here/../cluster/tools.sh" path cel-oracle)
  folders=()
  while read -r module version sum part; do
    folders+=("$(folder "$module" "$version" "$sum")/$part")
  done < <(modules)
  "$program" corpus "${folders[@]}" >"$cache.partial"
  mv "$cache.partial" "$cache"
fi
echo "$cache"
