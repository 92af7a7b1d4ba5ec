package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// Measurement is one line of `bench`: an expression that is true over its input, and how long to evaluate it.
type Measurement struct {
	Expression   string                     `json:"expression"`
	Input        map[string]json.RawMessage `json:"input"`
	Milliseconds int                        `json:"milliseconds"`
}

// bench answers each line with the nanoseconds of one evaluation.
func bench(oracle *Oracle) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<24)
	for in.Scan() {
		var m Measurement
		if err := json.Unmarshal(in.Bytes(), &m); err != nil {
			fatal(fmt.Errorf("not a measurement: %w", err))
		}
		nanoseconds, err := oracle.measure(&m)
		if err != nil {
			fatal(fmt.Errorf("%s: %w", m.Expression, err))
		}
		fmt.Println(nanoseconds)
	}
}

func (o *Oracle) measure(m *Measurement) (float64, error) {
	var variables []cel.EnvOption
	activation := map[string]any{}
	for name, raw := range m.Input {
		value, err := parseValue(raw, cel.DynType)
		if err != nil {
			return 0, err
		}
		variables = append(variables, cel.Variable(name, cel.DynType))
		activation[name] = value
	}
	env, err := o.base.Extend(variables...)
	if err != nil {
		return 0, err
	}
	ast, issues := env.Compile(m.Expression)
	if issues.Err() != nil {
		return 0, issues.Err()
	}
	program, err := env.Program(ast)
	if err != nil {
		return 0, err
	}
	span := time.Duration(m.Milliseconds) * time.Millisecond
	count := 0
	start := time.Now()
	for time.Since(start) < span {
		for range 16 {
			value, _, err := program.Eval(activation)
			if err != nil || value != types.True {
				return 0, fmt.Errorf("%v, %w", value, err)
			}
		}
		count += 16
	}
	return float64(time.Since(start).Nanoseconds()) / float64(count), nil
}
