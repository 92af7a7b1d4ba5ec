package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// Named is an expression with a name: a variable of a policy, or the field that an expression stands in.
type Named struct {
	Name       string `json:"name"`
	Expression string `json:"expression"`
}

// Text is one line of the corpus: a table of expressions, or a policy with objects to try it on.
type Text struct {
	Source      string            `json:"source"`
	Kind        string            `json:"kind"`
	Variables   []Named           `json:"variables,omitempty"`
	Expressions []Named           `json:"expressions"`
	Objects     []json.RawMessage `json:"objects,omitempty"`
}

// corpus writes the expressions of test tables in Go files, and those of policies in YAML files, below folders.
func corpus(folders []string) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			source, _ := filepath.Rel(filepath.Dir(folder), path)
			var texts []Text
			switch {
			case strings.HasSuffix(path, "_test.go") && strings.Contains(path, "/pkg/cel/library/"):
				texts, err = table(path)
			case strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml"):
				texts, err = policies(path)
			}
			for _, text := range texts {
				text.Source = source
				if err := encoder.Encode(text); err != nil {
					return err
				}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// table collects the constant strings of fields called `expr` and `expression`, or lists of them.
func table(path string) ([]Text, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return nil, err
	}
	text := Text{Kind: "table"}
	add := func(value ast.Expr) {
		if constant := textOf(value); constant != nil {
			text.Expressions = append(text.Expressions, Named{Expression: *constant})
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		pair, ok := node.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, ok := pair.Key.(*ast.Ident)
		if !ok || !strings.HasPrefix(key.Name, "expr") {
			return true
		}
		if list, ok := pair.Value.(*ast.CompositeLit); ok {
			for _, element := range list.Elts {
				add(element)
			}
		}
		add(pair.Value)
		return true
	})
	if len(text.Expressions) == 0 {
		return nil, nil
	}
	return []Text{text}, nil
}

// textOf is the value of a string literal or of a sum of them.
func textOf(expression ast.Expr) *string {
	switch e := expression.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			value := constant.StringVal(constant.MakeFromLiteral(e.Value, e.Kind, 0))
			return &value
		}
	case *ast.BinaryExpr:
		left, right := textOf(e.X), textOf(e.Y)
		if left != nil && right != nil {
			sum := *left + *right
			return &sum
		}
	}
	return nil
}

// policyKinds are the kinds whose expressions have the variables of admission.
var policyKinds = []string{"ValidatingAdmissionPolicy", "ValidatingPolicy", "NamespacedValidatingPolicy"}

// policies reads the policies of a file, each with the other objects of its folder.
func policies(path string) ([]Text, error) {
	documents := documents(path)
	var texts []Text
	for _, document := range documents {
		kind, _ := document["kind"].(string)
		spec, _ := document["spec"].(map[string]any)
		if !slices.Contains(policyKinds, kind) || spec == nil {
			continue
		}
		text := Text{Kind: kind, Variables: named(spec["variables"], "name", "expression")}
		for _, field := range []struct{ list, expression string }{
			{"matchConditions", "expression"}, {"validations", "expression"}, {"validations", "messageExpression"},
			{"auditAnnotations", "valueExpression"},
		} {
			text.Expressions = append(text.Expressions, named(spec[field.list], field.list, field.expression)...)
		}
		if len(text.Expressions) > 0 {
			text.Objects = objects(filepath.Dir(path))
			texts = append(texts, text)
		}
	}
	return texts, nil
}

func named(list any, name, expression string) (found []Named) {
	items, _ := list.([]any)
	for _, item := range items {
		fields, _ := item.(map[string]any)
		text, _ := fields[expression].(string)
		title, ok := fields[name].(string)
		if !ok {
			title = name + "." + expression
		}
		if text != "" {
			found = append(found, Named{Name: title, Expression: text})
		}
	}
	return found
}

// objects are some of the objects of a folder that are no policies.
func objects(folder string) (found []json.RawMessage) {
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".yaml") && !strings.HasSuffix(entry.Name(), ".yml") {
			continue
		}
		for _, document := range documents(filepath.Join(folder, entry.Name())) {
			kind, _ := document["kind"].(string)
			_, isObject := document["metadata"].(map[string]any)
			if kind == "" || strings.HasSuffix(kind, "Policy") || kind == "Test" || !isObject || len(found) >= 6 {
				continue
			}
			if raw, err := json.Marshal(document); err == nil && len(raw) < 1<<16 {
				found = append(found, raw)
			}
		}
	}
	return found
}

// documents are the maps of a YAML file; a file that is none, such as a template, has none.
func documents(path string) (found []map[string]any) {
	raw, err := os.ReadFile(path)
	if err != nil {
		fatal(err)
	}
	for _, part := range bytes.Split(raw, []byte("\n---")) {
		var document map[string]any
		if yaml.Unmarshal(part, &document) == nil && document != nil {
			found = append(found, document)
		}
	}
	return found
}
