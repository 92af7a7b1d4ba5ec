#!/usr/bin/env bash
# Finds out which programs this machine lacks, says which Debian packages bring them, and installs these if it may.
# What only a node with pods needs is no reason to stop: without root there are no pods anyway.
set -euo pipefail

# FILE PACKAGE WHO-NEEDS-IT
needs() {
  cat <<'EOF'
/usr/bin/cc          gcc                         all
/usr/include/stdio.h libc6-dev                   all
/usr/bin/setpriv     util-linux                  all
/usr/bin/xargs       findutils                   all
/usr/bin/containerd  containerd                  node
/usr/sbin/runc       runc                        node
/usr/lib/cni/bridge  containernetworking-plugins node
/usr/sbin/nft        nftables                    node
/usr/sbin/ip         iproute2                    node
/usr/bin/buildah     buildah                     node
EOF
  # Node.js often comes from elsewhere. It brings the CEL project's tests (tests/cel-spec).
  echo "$(command -v npm || echo /usr/bin/npm) npm all"
}

say() { echo "setup: $*"; }
missing() { needs | while read -r file package who; do [ -e "$file" ] || [ "$who" != "$1" ] || printf '%s ' "$package"; done; }

command -v cargo >/dev/null || { say "cargo is missing: install Rust with rustup; the version is pinned in rust-toolchain.toml" >&2; exit 2; }

for_all=$(missing all)
for_node=$(missing node)
packages=$(xargs <<<"$for_all $for_node")
if [ -z "$packages" ]; then
  say "all Debian packages are there"
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  say "will install with apt-get: $packages"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086
  apt-get install -qq -y --no-install-recommends $packages >/dev/null
  left=$(missing all)$(missing node)
  [ -z "$left" ] || { say "still missing after the installation: $left" >&2; exit 2; }
  say "installed"
elif [ -n "$for_all" ]; then
  say "missing: install with 'sudo apt-get install $packages', then run this again" >&2
  exit 2
else
  say "clusters with pods need root and: sudo apt-get install $packages (control planes work without)"
fi
