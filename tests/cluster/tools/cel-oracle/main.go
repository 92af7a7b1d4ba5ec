// Command cel-oracle evaluates expressions by the API server's own CEL.
//
// It reads cases as JSON lines and writes each with what the API server makes of it: the type of the expression, its
// value in the notation of the vectors, or the kind of its error, and its cost. See README.md.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/google/cel-go/cel"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"
)

// Case is one line of a vector file; the fields stand in the order of the files.
type Case struct {
	Expression string                     `json:"expression"`
	Types      map[string]string          `json:"types,omitempty"`
	Input      map[string]json.RawMessage `json:"input,omitempty"`
	Type       string                     `json:"type,omitempty"`
	Value      string                     `json:"value,omitempty"`
	Error      string                     `json:"error,omitempty"`
	Cost       *uint64                    `json:"cost,omitempty"`
	Message    string                     `json:"message,omitempty"`
}

func main() {
	base := environment.MustBaseEnvSet(version.MajorMinor(1, 37)).StoredExpressionsEnv()
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for in.Scan() {
		var c Case
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			fatal(fmt.Errorf("not a case: %w", err))
		}
		evaluate(base, &c)
		if err := encoder.Encode(c); err != nil {
			fatal(err)
		}
	}
	if err := in.Err(); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "cel-oracle:", err)
	os.Exit(1)
}

// evaluate fills in everything but the expression, its types and its input.
func evaluate(base *cel.Env, c *Case) {
	c.Type, c.Value, c.Error, c.Message, c.Cost = "", "", "", "", nil
	defer func() {
		// The checker of cel-go panics on some literals with optional parts; in the API server that is a refusal.
		if fault := recover(); fault != nil {
			c.Type, c.Value, c.Error, c.Message, c.Cost = "", "", "Compile", fmt.Sprint(fault), nil
		}
	}()
	var variables []cel.EnvOption
	activation := map[string]any{}
	for name, raw := range c.Input {
		kind := c.Types[name]
		if kind == "" {
			kind = "dyn"
		}
		celType, err := parseType(kind)
		if err != nil {
			fatal(err)
		}
		value, err := parseValue(raw, celType)
		if err != nil {
			fatal(err)
		}
		variables = append(variables, cel.Variable(name, celType))
		activation[name] = value
	}
	env, err := base.Extend(variables...)
	if err != nil {
		fatal(err)
	}
	ast, issues := env.Compile(c.Expression)
	if issues.Err() != nil {
		c.Error, c.Message = "Compile", firstLine(issues.Err().Error())
		return
	}
	c.Type = cel.FormatCELType(ast.OutputType())
	program, err := env.Program(ast)
	if err != nil {
		c.Type, c.Error, c.Message = "", "Compile", firstLine(err.Error())
		return
	}
	value, details, err := program.Eval(activation)
	if details != nil {
		c.Cost = details.ActualCost()
	}
	switch {
	case err != nil:
		c.Error, c.Message = classify(err.Error()), firstLine(err.Error())
	default:
		c.Value = render(value)
	}
}

func firstLine(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	return strings.TrimPrefix(line, "ERROR: <input>:")
}

// classify gives a run-time error the name that the vectors use.
func classify(message string) string {
	kinds := []struct{ part, kind string }{
		{"no such key", "NoSuchKey"},
		{", list is length", "IndexOutOfRange"},
		{"index out of bounds", "IndexOutOfRange"},
		{"out of range", "IndexOutOfRange"},
		{"no such overload", "NoSuchOverload"},
		{"overflow", "Overflow"},
		{"range error", "Overflow"},
		{"division by zero", "DivideByZero"},
		{"divide by zero", "DivideByZero"},
		{"modulus by zero", "DivideByZero"},
		{"type conversion error", "Conversion"},
		{"invalid UTF-8 in bytes", "Conversion"},
		{"optional.none() dereference", "EmptyOptional"},
		{"already exists", "DuplicateKey"},
		{"cost limit exceeded", "CostExceeded"},
		{"error parsing regexp", "InvalidRegex"},
		{"Illegal regex", "InvalidRegex"},
		{"NaN values cannot be ordered", "InvalidArgument"},
		{"called on empty list", "InvalidArgument"},
		{"unsupported index type", "NoSuchOverload"},
		{"unsupported index value", "NoSuchOverload"},
		{"expected iterable type", "NoSuchOverload"},
		{"unsupported comprehension range", "NoSuchOverload"},
		{"invalid qualifier type", "NoSuchOverload"},
		{"cannot initialize optional", "NoSuchOverload"},
		{"is not optional", "NoSuchOverload"},
		{"no such attribute", "MissingVariable"},
		{"invalid substring range", "InvalidArgument"},
		{"cannot slice", "InvalidArgument"},
		{"invalid input", "InvalidArgument"},
		{"must be non-negative", "InvalidArgument"},
		{"exceeds maximum allowed", "InvalidArgument"},
		{"must have the same type", "InvalidArgument"},
		{"must be comparable", "NoSuchOverload"},
		{"unknown time zone", "InvalidArgument"},
		{"strconv.Atoi", "InvalidArgument"},
		{"internal error", "Internal"},
	}
	for _, k := range kinds {
		if strings.Contains(message, k.part) {
			return k.kind
		}
	}
	return "Other"
}
