// Command cel-oracle evaluates expressions by the API server's own CEL. See README.md.
//
//	cel-oracle lines < CASES      evaluate cases, one JSON object a line
//	cel-oracle bench < LINES      measure how long an evaluation takes; see bench.go
//	cel-oracle answers < LINES    evaluate cases in bulk; see answers.go
//	cel-oracle corpus FOLDER...   write the expressions of test tables and policies below folders, one JSON line each
//	cel-oracle fill FILE...       rewrite the expectations of vector files
//	cel-oracle check FILE...      fail where a vector file does not say what the API server says
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"
)

func main() {
	if len(os.Args) < 2 {
		fatal(fmt.Errorf("say what to do: lines, answers, corpus, fill or check"))
	}
	base := environment.MustBaseEnvSet(version.MajorMinor(1, 37)).StoredExpressionsEnv()
	oracle := &Oracle{base: base}
	switch command := os.Args[1]; command {
	case "lines":
		lines(oracle)
	case "bench":
		bench(oracle)
	case "answers":
		answers(oracle)
	case "corpus":
		if err := corpus(os.Args[2:]); err != nil {
			fatal(err)
		}
	case "fill", "check":
		different := 0
		for _, path := range os.Args[2:] {
			changed, err := oracle.file(path, command == "fill")
			if err != nil {
				fatal(fmt.Errorf("%s: %w", path, err))
			}
			different += changed
		}
		if command == "check" && different > 0 {
			fatal(fmt.Errorf("%d cases differ from the API server", different))
		}
	default:
		fatal(fmt.Errorf("unknown command %q: use lines, answers, bench, corpus, fill or check", command))
	}
}

func lines(oracle *Oracle) {
	each(func(c *Case, answer func(any)) {
		c.Message = oracle.evaluate(c, c.Types, c.Input)
		answer(c)
	})
}

// each reads a T from every line of standard input, and writes what it is answered with, each on a line.
func each[T any](do func(asked *T, answer func(any))) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<24)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	for in.Scan() {
		var asked T
		if err := json.Unmarshal(in.Bytes(), &asked); err != nil {
			fatal(fmt.Errorf("not a question: %w", err))
		}
		do(&asked, func(answer any) {
			if err := encoder.Encode(answer); err != nil {
				fatal(err)
			}
		})
	}
	if err := in.Err(); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "cel-oracle:", err)
	os.Exit(1)
}
