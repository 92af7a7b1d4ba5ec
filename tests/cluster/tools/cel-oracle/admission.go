package main

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apimachinery/pkg/util/version"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/lazy"
)

// accessor gives an expression to the API server's compiler; any type is taken.
type accessor Named

func (a accessor) GetExpression() string    { return a.Expression }
func (a accessor) GetName() string          { return a.Name }
func (a accessor) ReturnTypes() []*cel.Type { return []*cel.Type{cel.AnyType} }

// policy is the environment of an admission policy with its variables.
type policy struct {
	variables []Named
	compiler  *plugin.CompositedCompiler
	results   []plugin.CompilationResult
}

var options = plugin.OptionalVariableDeclarations{HasParams: true, HasAuthorizer: true}

// admission makes what the API server makes of a policy with these variables, where it is not the one before.
func admission(variables []Named, before *policy) *policy {
	if before != nil && slices.Equal(variables, before.variables) {
		return before
	}
	compiler, err := plugin.NewCompositedCompiler(environment.MustBaseEnvSet(version.MajorMinor(1, 37)))
	if err != nil {
		fatal(err)
	}
	made := &policy{variables: variables, compiler: compiler}
	for _, variable := range variables {
		result := compiler.CompileAndStoreVariable(accessor(variable), options, environment.StoredExpressions)
		made.results = append(made.results, result)
	}
	return made
}

// activate reads the values of the variables of admission; those of the policy are evaluated when they are read.
func (p *policy) activate(input map[string]json.RawMessage) map[string]any {
	activation := map[string]any{}
	for name, raw := range input {
		value, err := parseValue(raw, cel.DynType)
		if err != nil {
			fatal(err)
		}
		activation[name] = value
	}
	held := lazy.NewMapValue(apiservercel.NewObjectType("kubernetes.variables", nil))
	activation["variables"] = held
	for i, variable := range p.variables {
		held.Append(variable.Name, func(*lazy.MapValue) ref.Val {
			if p.results[i].Program == nil {
				return types.NewErr("a variable that does not compile")
			}
			value, _, err := p.results[i].Program.Eval(activation)
			if err != nil {
				return types.WrapErr(err)
			}
			return value
		})
	}
	return activation
}

func (p *policy) compile(expression string) (cel.Program, string, *Answer) {
	result := p.compiler.CompileCELExpression(accessor{Expression: expression}, options, environment.StoredExpressions)
	if result.Error == nil {
		return result.Program, cel.FormatCELType(result.OutputType), nil
	}
	var cause *apiservercel.CompilationError
	if errors.As(result.Error.Cause, &cause) {
		return nil, "", refusal(cause.Issues)
	}
	return nil, "", &Answer{Error: "Compile", Message: result.Error.Detail}
}
