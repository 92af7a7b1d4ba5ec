package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	apiservercel "k8s.io/apiserver/pkg/cel"
)

// parseType reads a type as the vectors write it, for example `map(string, list(int))`.
func parseType(text string) (*cel.Type, error) {
	text = strings.TrimSpace(text)
	if inner, found := strings.CutPrefix(text, "list("); found {
		element, err := parseType(strings.TrimSuffix(inner, ")"))
		return cel.ListType(element), err
	}
	if inner, found := strings.CutPrefix(text, "map("); found {
		first, second, _ := strings.Cut(strings.TrimSuffix(inner, ")"), ",")
		key, err := parseType(first)
		if err != nil {
			return nil, err
		}
		value, err := parseType(second)
		return cel.MapType(key, value), err
	}
	simple := map[string]*cel.Type{
		"dyn": cel.DynType, "bool": cel.BoolType, "int": cel.IntType, "uint": cel.UintType, "double": cel.DoubleType,
		"string": cel.StringType, "timestamp": cel.TimestampType, "duration": cel.DurationType,
	}
	if found, ok := simple[text]; ok {
		return found, nil
	}
	return nil, fmt.Errorf("unknown type %q", text)
}

// parseValue reads an input of a variable; numbers without fraction are integers, as in the API server.
func parseValue(raw json.RawMessage, celType *cel.Type) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	value = numbers(value)
	switch celType {
	case cel.UintType:
		return uint64(value.(int64)), nil
	case cel.TimestampType:
		at, err := time.Parse(time.RFC3339, value.(string))
		return at, err
	case cel.DurationType:
		span, err := time.ParseDuration(value.(string))
		return span, err
	}
	return value, nil
}

func numbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole
		}
		float, _ := v.Float64()
		return float
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return value
}

// render writes a value in the notation of the vectors, which the Rust test writes too.
func render(value ref.Val) string {
	if text, ok := renderAddress(value); ok {
		return text
	}
	switch v := value.(type) {
	case types.Null:
		return "null"
	case types.Bool:
		return strconv.FormatBool(bool(v))
	case types.Int:
		return strconv.FormatInt(int64(v), 10)
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10) + "u"
	case types.Double:
		return "double(" + strconv.FormatFloat(float64(v), 'e', -1, 64) + ")"
	case types.String:
		return quote(string(v))
	case types.Bytes:
		return "bytes(" + hex.EncodeToString(v) + ")"
	case types.Timestamp:
		return fmt.Sprintf("timestamp(%d, %d)", v.Unix(), v.Nanosecond())
	case types.Duration:
		return fmt.Sprintf("duration(%d)", v.Nanoseconds())
	case apiservercel.Quantity:
		return quantity(v.Quantity)
	case *apiservercel.Quantity:
		return quantity(v.Quantity)
	case apiservercel.Semver:
		return semanticVersion(v)
	case apiservercel.Format:
		return namedFormat(v)
	case *types.Type:
		return "type(" + v.TypeName() + ")"
	case *types.Optional:
		if !v.HasValue() {
			return "optional.none()"
		}
		return "optional.of(" + render(v.GetValue()) + ")"
	case traits.Lister:
		var parts []string
		for it := v.Iterator(); it.HasNext() == types.True; {
			parts = append(parts, render(it.Next()))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case traits.Mapper:
		var parts []string
		for it := v.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			parts = append(parts, render(key)+": "+render(v.Get(key)))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprintf("%T", value)
}

// quote writes printable ASCII as it is and everything else by its code point.
func quote(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		if r >= ' ' && r <= '~' && r != '"' && r != '\\' {
			out.WriteRune(r)
		} else {
			fmt.Fprintf(&out, `\u{%x}`, r)
		}
	}
	out.WriteByte('"')
	return out.String()
}
