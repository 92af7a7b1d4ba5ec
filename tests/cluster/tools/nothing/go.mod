module writ.dev/tests/cluster/tools/nothing

go 1.26.0
