package main

import (
	"fmt"
	"strings"

	"github.com/google/cel-go/common/types/ref"
	apiservercel "k8s.io/apiserver/pkg/cel"
)

// renderAddress writes an address, a network or a URL as the expression that makes it.
func renderAddress(value ref.Val) (text string, ok bool) {
	switch v := value.(type) {
	case apiservercel.IP:
		return "ip(" + literal(v.Addr.String()) + ")", true
	case apiservercel.CIDR:
		return "cidr(" + literal(v.Prefix.String()) + ")", true
	case apiservercel.URL:
		return "url(" + literal(v.URL.String()) + ")", true
	}
	return "", false
}

// literal writes a text in ASCII as CEL reads it.
func literal(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out.WriteRune('\\')
			out.WriteRune(r)
		case r < 0x80:
			out.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
	}
	out.WriteByte('"')
	return out.String()
}
