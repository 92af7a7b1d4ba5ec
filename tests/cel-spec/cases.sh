#!/usr/bin/env bash
# Prints where the cases of the CEL project's conformance tests are, one JSON object a line.
#
# They come from an npm package, pinned by its checksum, once per machine, into the cache outside the repository;
# nothing of them is copied here. A changed pin is another directory.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
package=@bufbuild/cel-spec
version=0.6.1
sha256=37e4b203f5ca5192db73a6095d129fb5e58a262a89309ba32e1840e7a80270e1

hash=$(cat "$here/cases.sh" "$here/lines.mjs" | sha256sum)
cache=${XDG_CACHE_HOME:-${HOME:?set HOME or XDG_CACHE_HOME: the cases are kept there}/.cache}/writ/cel-spec-$version-${hash:0:16}
fail() { echo "cel-spec: $*" >&2; exit 2; }

mkdir -p "$(dirname "$cache")"
exec 9>"$cache.lock"
flock 9
if [ ! -e "$cache/cases.jsonl" ]; then
  command -v npm >/dev/null || fail "npm is missing: apt-get install npm"
  rm -rf "$cache"
  mkdir "$cache"
  (cd "$cache" && npm pack --silent "$package@$version" >pack.name) || fail "npm cannot fetch $package@$version: is its registry reachable?"
  tarball=$cache/$(tail -n 1 "$cache/pack.name")
  echo "$sha256  $tarball" | sha256sum --check --quiet || fail "$package@$version has another checksum than the pinned one"
  tar -xzf "$tarball" -C "$cache"
  node "$here/lines.mjs" "$cache/package/dist/esm/testdata" >"$cache/cases.partial"
  rm -rf "$tarball" "$cache/package" "$cache/pack.name"
  mv "$cache/cases.partial" "$cache/cases.jsonl"
fi
echo "$cache/cases.jsonl"
