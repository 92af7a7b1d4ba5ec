#!/usr/bin/env bash
# Takes Writ out of the way of the cluster within a minute. Needs kubectl and the right to delete webhook
# configurations, and nothing of Writ: no replica, no webhook, no image.
#
#   recover.sh                    show what is there, ask, save the webhook configurations and delete them
#   recover.sh --yes              the same without asking
#   recover.sh --ignore           only set failurePolicy to Ignore: what Writ still answers stays governed
#   recover.sh --policies         also delete the protecting ValidatingAdmissionPolicies
#   recover.sh --restore DIR      put back what was saved in DIR
#
# Everything that is changed is saved first, in ./writ-recovery-TIME.
set -uo pipefail

config=zz-writ
label=app.kubernetes.io/part-of=writ
yes=false mode=delete policies=false restore=

say() { echo "recover: $*"; }
fail() { echo "recover: $*" >&2; exit 2; }
usage() { awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "${BASH_SOURCE[0]:-/dev/null}"; }
k() { kubectl --request-timeout=8s "$@"; }
# A busy API server may let one request time out.
insist() { "$@" || "$@" || "$@"; }

while [ $# -gt 0 ]; do
  case $1 in
    --yes) yes=true ;;
    --ignore) mode=ignore ;;
    --policies) policies=true ;;
    --restore) restore=${2:?--restore needs the directory}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown argument \`$1\`: --help lists them" ;;
  esac
  shift
done

command -v kubectl >/dev/null || fail "kubectl is not in PATH"

# Kinds in the order of their removal. The validating one first: without its mutating twin it would refuse everything.
webhooks=(validatingwebhookconfiguration mutatingwebhookconfiguration)
protecting=(validatingadmissionpolicybinding validatingadmissionpolicy)

if [ -n "$restore" ]; then
  [ -d "$restore" ] || fail "no directory \`$restore\`"
  # The mutating one first, for the same reason.
  for kind in validatingadmissionpolicy validatingadmissionpolicybinding \
    mutatingwebhookconfiguration validatingwebhookconfiguration; do
    for file in "$restore/$kind".*.yaml; do
      [ -e "$file" ] || continue
      k replace -f "$file" 2>/dev/null || k create -f "$file" || fail "could not put back $file: try \`helm upgrade\`"
    done
  done
  say "put back. Check with: kubectl get $(IFS=,; echo "${webhooks[*]}") and kubectl get wpb"
  exit 0
fi

context=$(kubectl config current-context 2>/dev/null || echo unknown)
found=()
# An error is not an absence: only the API server's word counts that something is not there.
look() {
  names=$(k get "$@" -o name) ||
    fail "the API server of context \`$context\` does not answer, or you may not read $1: see above. Nothing was changed"
  for name in $names; do found+=("$1/${name#*/}"); done
}
for kind in "${webhooks[@]}"; do look "$kind" "$config" --ignore-not-found; done
if $policies; then
  for kind in "${protecting[@]}"; do look "$kind" -l "$label"; done
fi
if [ ${#found[@]} -eq 0 ]; then
  say "nothing of Writ stands in the way of context \`$context\`"
  exit 0
fi

say "in context \`$context\`:"
printf '  %s\n' "${found[@]}"
if [ $mode = ignore ]; then
  say "will be set to failurePolicy Ignore: what no replica answers passes UNDECIDED"
else
  say "will be deleted: every change passes UNDECIDED and without attestation until they are put back"
fi
if ! $yes; then
  [ -t 0 ] || fail "no terminal to ask on: say --yes"
  read -r -p "Type the name of the context to go on: " answer
  [ "$answer" = "$context" ] || fail "not confirmed, nothing was changed"
fi

saved=writ-recovery-$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p "$saved" || fail "cannot write $saved: change to a directory that is yours"
for object in "${found[@]}"; do
  # Without what only the old object had, so that it can be created again.
  k get "$object" -o yaml | sed -E '/^  (uid|resourceVersion|creationTimestamp|generation):/d' \
    >"$saved/${object%%/*}.${object#*/}.yaml" || fail "could not save $object, nothing was changed"
done

failed=0
for object in "${found[@]}"; do
  case $mode:$object in
    ignore:*webhookconfiguration/*)
      count=$(k get "$object" -o 'jsonpath={range .webhooks[*]}x{end}' | wc -c)
      patch=
      for index in $(seq 0 $((count - 1))); do
        patch+=${patch:+,}'{"op":"replace","path":"/webhooks/'$index'/failurePolicy","value":"Ignore"}'
      done
      insist k patch "$object" --type=json -p "[$patch]" || failed=1 ;;
    *) insist k delete "$object" --wait=false --ignore-not-found || failed=1 ;;
  esac
done
[ $failed = 0 ] || fail "something was left (see above); what was saved is in $saved"

say "done. What was there is saved in $saved"
say "to put it back:  bash recover.sh --restore $saved"
say "or:              helm upgrade RELEASE CHART -n NAMESPACE --reuse-values"
