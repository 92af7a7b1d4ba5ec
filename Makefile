# The commands of this repository; `make help` lists them. CI calls the same ones.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/writ
CLUSTER := cargo run --quiet --example cluster --
# A node with pods needs root; without it there is a control plane.
NODE := $(if $(filter 0,$(shell id -u)),--node)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing (Debian packages; says which first) and build the tools of the test clusters
	@tests/cluster/packages.sh
	@$(MAKE) tools

.PHONY: tools
tools: ## Build etcd, Kubernetes and Helm from Go modules, once per machine (8 to 12 minutes on two cores)
	@tests/cluster/tools.sh

.PHONY: shell
shell: ## Open a shell with kubectl and helm in a fresh cluster, which ends with the shell
	@$(if $(NODE),,echo "no root, so no pods: the cluster is a control plane alone";) $(CLUSTER) shell $(NODE)

.PHONY: test
test: setup ## Run every test: unit, command line, real API server, real node, chart, other people's tools
	@echo "== the offline build has no Kubernetes client in it"
	@cargo check --quiet --locked --no-default-features
	@echo "== tests (real components; the first run also builds what they need)"
	@tests/run.sh

.PHONY: test-pods
test-pods: setup image ## Run the tests of the chart with real pods (root): install, upgrade, rollback, removal, outages
	@cargo test --locked --test chart_pods --test e2e_node

# The expressions of a seed are the same on every machine; FILE compares those of a file, one a line.
N ?= 1000000
SEED ?= 1
.PHONY: oracle
oracle: ## Compare N random expressions (SEED=…), or those of FILE=…, with the API server's own CEL
	@WRIT_ORACLE_COUNT=$(N) WRIT_ORACLE_SEED=$(SEED) $(if $(FILE),WRIT_ORACLE_FILE=$(abspath $(FILE))) \
	  cargo test --locked --release --no-default-features --lib random_expressions -- --nocapture

.PHONY: mutants
mutants: ## Take away or turn round each check of the gate; a named test must catch every one
	@cargo run --quiet --locked --example mutants

.PHONY: fuzz-smoke fuzz
fuzz-smoke: ## Fuzz each parser for a second, on the stable toolchain (part of `make test`)
	@cargo test --locked --quiet --test fuzz -- --nocapture

# libFuzzer sees what an input reaches; the driver of the tests only mutates, and takes every machine. The compiler's
# own coverage passes are not stable yet: RUSTC_BOOTSTRAP lets the pinned toolchain use them. No sanitizer: nothing here
# is unsafe.
FUZZ_SECONDS ?= 60
FUZZ_RUNS ?= 10000000
fuzz: ## Fuzz each parser: for FUZZ_SECONDS by libFuzzer where cargo-fuzz is installed, else FUZZ_RUNS times by the driver of the tests
	@if cargo fuzz --version >/dev/null 2>&1; then \
	  for target in $$(cargo fuzz list); do \
	    echo "== $$target"; mkdir -p target/fuzz/$$target; \
	    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target target/fuzz/$$target fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=16384 || exit; done; \
	else WRIT_FUZZ_RUNS=$(FUZZ_RUNS) nice -n 19 cargo test --release --locked --test fuzz -- --nocapture; fi

.PHONY: check fmt clippy docs deny
check: fmt clippy docs deny test $(if $(NODE),test-pods) ## Everything that a change has to pass: format, lints, documentation, dependencies, tests

fmt: ## Check the format
	@cargo fmt --check

clippy: ## Check with lints, with and without the cluster
	@cargo clippy --quiet --locked --all-targets -- -D warnings
	@cargo clippy --quiet --locked --no-default-features -- -D warnings

docs: ## Check the documentation of the code
	@RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps

deny: ## Check licences, sources and bans of dependencies (installs cargo-deny once)
	@[ -x "$(CACHE)/cargo/bin/cargo-deny" ] || { echo "building cargo-deny into $(CACHE) (once, some minutes)"; cargo install --quiet --locked --root "$(CACHE)/cargo" cargo-deny --version 0.20.2; }
	@"$(CACHE)/cargo/bin/cargo-deny" --log-level error check bans licenses sources

.PHONY: crds
crds: ## Write the CRDs and the chart's copies from the types
	@cargo run --quiet -- crds --dir crds
	@cargo run --quiet -- crds --chart --dir charts/writ/templates/crds

# The program as it is in the image: one static file. Its own build directory, so that nothing else is built anew.
TARGET = $(shell rustc -vV | sed -n 's/^host: //p')
PROGRAM = target/$(TARGET)/release/writ
# A static program relocates itself as it starts; packed, that is 10 kB to read and not 900.
STATIC = -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs
VERSION = $(shell sed -n 's/^appVersion: *//p' charts/writ/Chart.yaml)
IMAGE = target/writ-image.tar

.PHONY: program
program: ## Build the static release program (target/TARGET/release/writ)
	@RUSTFLAGS='$(STATIC)' cargo build --release --locked --bin writ --target $(TARGET)

.PHONY: image
image: program ## Make the image from the Containerfile, as an OCI archive: target/writ-image.tar
	@if [ ! $(IMAGE) -nt $(PROGRAM) ] || [ ! $(IMAGE) -nt Containerfile ]; then \
	  $(CLUSTER) image $(PROGRAM) writ.dev/writ:$(VERSION) --output $(IMAGE) --containerfile Containerfile; fi

.PHONY: bench
bench: setup ## Measure Writ against its floor, a do-nothing pair and no webhook; writes docs/benchmarks.md
	@RUSTFLAGS='$(STATIC)' cargo build --release --locked --target $(TARGET) \
	  --bin writ --example floor --example load --example bench
	@target/$(TARGET)/release/examples/bench --write docs/benchmarks.md

.PHONY: bench-cel
bench-cel: ## Measure the language against plain Rust, the cel crate and cel-go; writes docs/cel-benchmarks.md
	@cd tests/cluster/tools/cel-oracle && go build -o $(CURDIR)/target/cel-oracle .
	@cd benches/cel && cargo run --release --locked --target-dir $(CURDIR)/target/bench-cel -- $(CURDIR)/target/cel-oracle $(CURDIR)/docs/cel-benchmarks.md

.PHONY: demo
demo: setup $(if $(NODE),image,program) ## Writ's main job on a real Kubernetes, told and checked step by step (with root: with real pods)
	@cargo run --quiet --example demo -- --program $(PROGRAM) $(if $(NODE),--image $(IMAGE))

.PHONY: kinds kinds-check
kinds: ## Regenerate tests/vectors/kinds.json, an object of every built-in kind, from Kubernetes' own tests
	@mkdir -p target tests/vectors
	@"$$(tests/cluster/tools.sh path survey)" >target/kinds.json
	@cp target/kinds.json tests/vectors/kinds.json

kinds-check: ## Compare tests/vectors/kinds.json with what `make kinds` would write
	@mkdir -p target
	@"$$(tests/cluster/tools.sh path survey)" >target/kinds.json
	@diff -u tests/vectors/kinds.json target/kinds.json || { echo "tests/vectors/kinds.json is out of date: run make kinds"; exit 1; }

.PHONY: clean
clean: ## Remove what builds and crashed test clusters left here
	@[ ! -x target/debug/examples/cluster ] || target/debug/examples/cluster gc
	@cargo clean
	@echo "kept: third-party programs in $(CACHE); remove that directory to build them anew"
