#!/usr/bin/env bash
# Checks attestations with programs that are not Writ's: `run.sh MUTANTS`, a file of one JSON case a line.
# Installs what it needs from PyPI, pinned by hashes, once per machine, into the cache outside the repository.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/requirements.txt
digest=$(sha256sum "$requirements" | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/writ/interop-$digest

command -v python3 >/dev/null || { echo "python3 is missing: apt-get install python3 python3-venv" >&2; exit 2; }
mkdir -p "$(dirname "$cache")"
exec 9>"$cache.lock"
flock 9
if [ ! -e "$cache/complete" ]; then
    echo "installing $(grep -c '^[a-z].*==' "$requirements") Python packages into $cache"
    rm -rf "$cache"
    python3 -m venv "$cache" || { echo "python3 cannot make a venv: apt-get install python3-venv" >&2; exit 2; }
    "$cache/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
        --require-hashes -r "$requirements" || { echo "pip cannot install $requirements: is PyPI reachable?" >&2; exit 2; }
    touch "$cache/complete"
fi
flock -u 9
exec "$cache/bin/python" -B "$here/check.py" "$@"
