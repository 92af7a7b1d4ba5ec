# The CEL vectors against the API server's own CEL. Needs Go and the module proxy.
CEL_ORACLE_DIR := $(dir $(lastword $(MAKEFILE_LIST)))
CEL_VECTORS := $(wildcard $(CEL_ORACLE_DIR)/../../../vectors/cel/*.json)

.PHONY: cel-oracle-check cel-oracle-fill

cel-oracle-check cel-oracle-fill: cel-oracle-%:
	cd $(CEL_ORACLE_DIR) && go run . $* $(abspath $(CEL_VECTORS))
