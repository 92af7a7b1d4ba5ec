package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// File is a vector file: cases with the variables that all of them share.
type File struct {
	About string                     `json:"about"`
	Types map[string]string          `json:"types,omitempty"`
	Input map[string]json.RawMessage `json:"input,omitempty"`
	Cases []Case                     `json:"cases"`
}

// file evaluates all cases of a file, writes it back where asked to, and returns how many cases changed.
func (o *Oracle) file(path string, write bool) (int, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var file File
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return 0, err
	}
	changed := 0
	for i := range file.Cases {
		c := &file.Cases[i]
		before := encode(c)
		o.evaluate(c, merge(file.Types, c.Types), merge(file.Input, c.Input))
		if c.Error == "Other" {
			return 0, fmt.Errorf("%s: an error without a name", c.Expression)
		}
		if after := encode(c); after != before {
			changed++
			fmt.Printf("%s: %s\n    now %s\n", path, before, after)
		}
	}
	if !write {
		return changed, nil
	}
	return changed, os.WriteFile(path, file.format(), 0o644)
}

func merge[V any](all, own map[string]V) map[string]V {
	merged := map[string]V{}
	for name, value := range all {
		merged[name] = value
	}
	for name, value := range own {
		merged[name] = value
	}
	return merged
}

func encode(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		fatal(err)
	}
	return string(bytes.TrimSpace(out.Bytes()))
}

// format writes one line for each case, so that changes can be read.
func (f *File) format() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "{\n\"about\": %s,\n", encode(f.About))
	if len(f.Types) > 0 {
		fmt.Fprintf(&out, "\"types\": %s,\n", encode(f.Types))
	}
	if len(f.Input) > 0 {
		fmt.Fprintf(&out, "\"input\": %s,\n", encode(f.Input))
	}
	out.WriteString("\"cases\": [\n")
	for i := range f.Cases {
		out.WriteString(encode(&f.Cases[i]))
		if i+1 < len(f.Cases) {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
	}
	out.WriteString("]\n}\n")
	return out.Bytes()
}
