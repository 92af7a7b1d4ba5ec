package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

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
	each(func(m *Measurement, answer func(any)) {
		nanoseconds, err := oracle.measure(m)
		if err != nil {
			fatal(fmt.Errorf("%s: %w", m.Expression, err))
		}
		answer(nanoseconds)
	})
}

func (o *Oracle) measure(m *Measurement) (float64, error) {
	compiled, activation := o.plain(nil, m.Input)
	program, _, refused := compiled(m.Expression)
	if refused != nil {
		return 0, errors.New(refused.Message)
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
