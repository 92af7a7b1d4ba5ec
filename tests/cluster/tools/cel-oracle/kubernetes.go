package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/library"
)

// quantity writes the canonical text of a quantity. Where its format has no suffix for an exponent the API server
// leaves the exponent out (`1000E` becomes `1`); here it is written, so that different values differ.
func quantity(q *resource.Quantity) string {
	number, suffix := q.CanonicalizeBytes(nil)
	text := string(number) + string(suffix)
	if parsed, err := resource.ParseQuantity(text); len(suffix) == 0 && (err != nil || parsed.Cmp(*q) != 0) {
		plain, exponent := q.AsCanonicalBytes(nil)
		text = fmt.Sprintf("%se%d", plain, exponent)
	}
	return fmt.Sprintf("quantity(%q)", text)
}

func semanticVersion(v apiservercel.Semver) string {
	return "semver(" + quote(v.String()) + ")"
}

func namedFormat(f apiservercel.Format) string {
	for name, known := range library.ConstantFormats {
		if known.Name == f.Name {
			return "format." + name + "()"
		}
	}
	return "format()"
}
