package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
)

// Question is one line of `answers`: variables that hold for the lines after it, or an expression.
type Question struct {
	Expression *string                    `json:"expression"`
	Types      map[string]string          `json:"types"`
	Input      map[string]json.RawMessage `json:"input"`
	// Runs is how often the expression is evaluated: Go's maps iterate at random, so an answer may vary.
	Runs int `json:"runs"`
}

// Answer is what the API server makes of an expression.
type Answer struct {
	Type  string  `json:"type,omitempty"`
	Value string  `json:"value,omitempty"`
	Error string  `json:"error,omitempty"`
	Cost  *uint64 `json:"cost,omitempty"`
	// Positions are line and column of each error of the compiler that has a place, in the order of the source.
	Positions []string `json:"positions,omitempty"`
	// Syntax says that the text is not of the grammar: where the first fault is then depends on how a parser recovers.
	Syntax  bool   `json:"syntax,omitempty"`
	Varies  bool   `json:"varies,omitempty"`
	Message string `json:"message,omitempty"`
}

// answers reads questions and writes an answer for each expression, in order.
func answers(oracle *Oracle) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	env, activation := oracle.declare(nil, nil)
	for in.Scan() {
		var q Question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			fatal(fmt.Errorf("not a question: %w", err))
		}
		if q.Expression == nil {
			env, activation = oracle.declare(q.Types, q.Input)
			continue
		}
		if err := encoder.Encode(answer(env, *q.Expression, activation, max(q.Runs, 1))); err != nil {
			fatal(err)
		}
	}
	if err := in.Err(); err != nil {
		fatal(err)
	}
}

func answer(env *cel.Env, expression string, activation map[string]any, runs int) (answer Answer) {
	defer func() {
		// As for cases: a fault of the compiler is a refusal.
		if fault := recover(); fault != nil {
			answer = Answer{Error: "Compile", Message: fmt.Sprint(fault)}
		}
	}()
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		message := issues.Err().Error()
		return Answer{
			Error: "Compile", Positions: places(issues), Message: firstLine(message),
			Syntax: strings.Contains(message, "Syntax error"),
		}
	}
	program, err := env.Program(ast)
	if err != nil {
		return Answer{Error: "Compile", Message: firstLine(err.Error())}
	}
	kind := cel.FormatCELType(ast.OutputType())
	answer = evaluated(program, activation, kind)
	for range runs - 1 {
		if again := evaluated(program, activation, kind); encode(again) != encode(answer) {
			answer.Varies = true
			break
		}
	}
	return answer
}

func evaluated(program cel.Program, activation map[string]any, kind string) Answer {
	value, details, err := program.Eval(activation)
	answer := Answer{Type: kind}
	if details != nil {
		answer.Cost = details.ActualCost()
	}
	if err == nil {
		answer.Value = render(value)
		return answer
	}
	answer.Error, answer.Message = classify(err.Error()), firstLine(err.Error())
	if answer.Error == "CostExceeded" {
		answer.Cost = nil
	}
	return answer
}

// places are the places of all errors in the order of the source.
func places(issues *cel.Issues) []string {
	errors := slices.Clone(issues.Errors())
	slices.SortFunc(errors, func(a, b *cel.Error) int {
		return cmp.Or(cmp.Compare(a.Location.Line(), b.Location.Line()), cmp.Compare(a.Location.Column(), b.Location.Column()))
	})
	var places []string
	for _, issue := range errors {
		places = append(places, fmt.Sprintf("%d:%d", issue.Location.Line(), issue.Location.Column()+1))
	}
	return places
}
