package main

import (
	"encoding/json"
	"strings"

	"github.com/google/cel-go/cel"
)

// Case is an expression with what the API server makes of it.
type Case struct {
	Expression string                     `json:"expression"`
	Types      map[string]string          `json:"types,omitempty"`
	Input      map[string]json.RawMessage `json:"input,omitempty"`
	Type       string                     `json:"type,omitempty"`
	Value      string                     `json:"value,omitempty"`
	Error      string                     `json:"error,omitempty"`
	Cost       *uint64                    `json:"cost,omitempty"`
	Message    string                     `json:"message,omitempty"`
	// Differs says where Writ's engine is meant to differ, and why.
	Differs json.RawMessage `json:"differs,omitempty"`
}

// Oracle is the API server's environment for stored expressions.
type Oracle struct {
	base *cel.Env
}

// evaluate fills in type, value, error and cost, and returns the text of the error.
func (o *Oracle) evaluate(c *Case, kinds map[string]string, input map[string]json.RawMessage) string {
	compiled, activation := o.plain(kinds, input)
	made := answer(compiled, c.Expression, activation, 1)
	c.Type, c.Value, c.Error, c.Cost, c.Message = made.Type, made.Value, made.Error, made.Cost, ""
	return made.Message
}

// declare extends the environment by the variables of an input, and reads their values.
func (o *Oracle) declare(kinds map[string]string, input map[string]json.RawMessage) (*cel.Env, map[string]any) {
	var variables []cel.EnvOption
	activation := map[string]any{}
	for name, raw := range input {
		kind := kinds[name]
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
	env, err := o.base.Extend(variables...)
	if err != nil {
		fatal(err)
	}
	return env, activation
}

func firstLine(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	return strings.TrimPrefix(line, "ERROR: <input>:")
}

// kinds names run-time errors as the vectors do; the first part that a message has decides.
var kinds = []struct{ part, kind string }{
	{"could not parse formatting clause", "InvalidArgument"},
	{"error during formatting", "InvalidArgument"},
	{"unexpected end of string", "InvalidArgument"},
	{"strconv.ParseUint", "InvalidArgument"},
	{"quantities must match", "InvalidArgument"},
	{"unable to parse", "InvalidArgument"},
	{"cannot convert value to integer", "InvalidArgument"},
	{"leading zeroes", "InvalidArgument"},
	{"Invalid character(s)", "InvalidArgument"},
	{"ersion string empty", "InvalidArgument"},
	{"No Major.Minor.Patch", "InvalidArgument"},
	{"Prerelease is empty", "InvalidArgument"},
	{"Build meta data is empty", "InvalidArgument"},
	{"short version cannot contain", "InvalidArgument"},
	{"during conversion from string", "InvalidArgument"},
	{"IPv4-mapped IPv6 address", "InvalidArgument"},
	{"with zone value is not allowed", "InvalidArgument"},
	{"no such key", "NoSuchKey"},
	{", list is length", "IndexOutOfRange"},
	{"index out of bounds", "IndexOutOfRange"},
	{"out of range", "IndexOutOfRange"},
	{"no such overload", "NoSuchOverload"},
	{"overflow", "Overflow"},
	{"division by zero", "DivideByZero"},
	{"modulus by zero", "DivideByZero"},
	{"type conversion error", "Conversion"},
	{"invalid UTF-8 in bytes", "Conversion"},
	{"optional.none() dereference", "EmptyOptional"},
	{"already exists", "DuplicateKey"},
	{"cost limit exceeded", "CostExceeded"},
	{"error parsing regexp", "InvalidRegex"},
	{"Illegal regex", "InvalidRegex"},
	{"unsupported index", "NoSuchOverload"},
	{"expected iterable type", "NoSuchOverload"},
	{"unsupported comprehension range", "NoSuchOverload"},
	{"invalid qualifier type", "NoSuchOverload"},
	{"cannot initialize optional", "NoSuchOverload"},
	{"is not optional", "NoSuchOverload"},
	{"must be comparable", "NoSuchOverload"},
	{"NaN values cannot be ordered", "InvalidArgument"},
	{"called on empty list", "InvalidArgument"},
	{"invalid substring range", "InvalidArgument"},
	{"cannot slice", "InvalidArgument"},
	{"invalid input", "InvalidArgument"},
	{"must be non-negative", "InvalidArgument"},
	{"exceeds maximum allowed", "InvalidArgument"},
	{"must have the same type", "InvalidArgument"},
	{"unknown time zone", "InvalidArgument"},
	{"invalid location name", "InvalidArgument"},
	{"is a directory", "InvalidArgument"},
	{"strconv.Atoi", "InvalidArgument"},
	{"internal error", "Internal"},
}

func classify(message string) string {
	for _, k := range kinds {
		if strings.Contains(message, k.part) {
			return k.kind
		}
	}
	return "Other"
}
