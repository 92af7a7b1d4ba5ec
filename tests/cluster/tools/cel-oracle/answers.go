package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
)

// Question is one line of `answers`: variables that hold for the lines after it, or an expression.
type Question struct {
	Expression *string                    `json:"expression"`
	Types      map[string]string          `json:"types"`
	Input      map[string]json.RawMessage `json:"input"`
	// Variables are those of an admission policy, which has its own environment; there `types` say nothing.
	Variables *[]Named `json:"variables"`
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
	compiled, activation := oracle.plain(nil, nil)
	var current *policy
	each(func(q *Question, say func(any)) {
		switch {
		case q.Expression != nil:
			say(answer(compiled, *q.Expression, activation, max(q.Runs, 1)))
		case q.Variables != nil:
			current = admission(*q.Variables, current)
			compiled, activation = current.compile, current.activate(q.Input)
		default:
			compiled, activation = oracle.plain(q.Types, q.Input)
		}
	})
}

// compile makes a program of an expression and names its type, or says why not.
type compile func(expression string) (cel.Program, string, *Answer)

// plain compiles in the environment of stored expressions with variables of some types.
func (o *Oracle) plain(kinds map[string]string, input map[string]json.RawMessage) (compile, map[string]any) {
	env, activation := o.declare(kinds, input)
	return func(expression string) (cel.Program, string, *Answer) {
		ast, issues := env.Compile(expression)
		if issues.Err() != nil {
			return nil, "", refusal(issues)
		}
		program, err := env.Program(ast)
		if err != nil {
			return nil, "", &Answer{Error: "Compile", Message: firstLine(err.Error())}
		}
		return program, cel.FormatCELType(ast.OutputType()), nil
	}, activation
}

func refusal(issues *cel.Issues) *Answer {
	message := issues.String()
	return &Answer{
		Error: "Compile", Positions: places(issues), Message: firstLine(message),
		Syntax: strings.Contains(message, "Syntax error"),
	}
}

func answer(compiled compile, expression string, activation map[string]any, runs int) (answer Answer) {
	defer func() {
		// The checker of cel-go panics on some literals with optional parts; in the API server that is a refusal.
		if fault := recover(); fault != nil {
			answer = Answer{Error: "Compile", Message: fmt.Sprint(fault)}
		}
	}()
	program, kind, refused := compiled(expression)
	if refused != nil {
		return *refused
	}
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
		// How far past the limit the last step went is of no interest.
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
