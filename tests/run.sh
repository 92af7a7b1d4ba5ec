#!/usr/bin/env bash
# Runs every test: all programs that `cargo test` would run one after the other, most of them two at a time, since many
# end with one long test; and the examples of the documentation. What a program says is shown when it ends.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = one ]; then
  output=$(mktemp)
  trap 'rm -f "$output"' EXIT
  begun=$SECONDS
  shift
  status=0
  "$@" >"$output" 2>&1 </dev/null || status=$?
  # One writer at a time.
  exec 9>>"$WRIT_TEST_TURN"
  flock 9
  printf '\n== %s (%d s)\n' "$*" $((SECONDS - begun))
  cat "$output"
  # 255 would keep xargs from starting the rest.
  exit $((status == 0 ? 0 : 1))
fi

programs=$(cargo test --locked --color never --no-run 2>&1 | tee /dev/stderr | sed -n 's/^ *Executable .*(\(.*\))$/\1/p')
[ -n "$programs" ] || { echo "cargo named no test program" >&2; exit 1; }
WRIT_TEST_TURN=$(mktemp)
export WRIT_TEST_TURN
trap 'rm -f "$WRIT_TEST_TURN"' EXIT

# Programs from standard input, so many at a time, with so many tests at a time in each. Most tests wait most of the
# time, so there are twice as many as cores.
run() { RUST_TEST_THREADS=$2 xargs -P "$1" -I{} bash -c 'exec "$0" one $1' "$0" {}; }

# The drills of faults load both replicas and look at deadlines: no other program runs beside them, and few of each other.
alone='/e2e_faults-'
failed=
{
  echo "cargo test --locked --doc"
  # Backwards, so that the longest are not the last.
  tac <<<"$programs" | grep -v "$alone"
} | run 2 "$(nproc)" || failed=yes
{ grep "$alone" <<<"$programs" || true; } | run 1 "$(nproc)" || failed=yes
[ -z "$failed" ] || { echo "a test program failed: see above" >&2; exit 1; }
