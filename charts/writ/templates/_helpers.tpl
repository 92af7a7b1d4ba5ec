{{- /* Labels of every object. */ -}}
{{- define "writ.labels" -}}
app.kubernetes.io/name: writ
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: writ
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "writ.selector" -}}
app.kubernetes.io/name: writ
app.kubernetes.io/component: server
{{- end -}}

{{- define "writ.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}:{{ $tag }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{- define "writ.signingKeySecret" -}}
{{ .Values.signingKey.existingSecret | default "writ-signing-key" }}
{{- end -}}

{{- /* The user that a replica is. */ -}}
{{- define "writ.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:writ
{{- end -}}

{{- define "writ.callers" -}}
{{- if or .Values.callerAuthentication.caSecret .Values.callerAuthentication.caConfigMap -}}true{{- end -}}
{{- end -}}

{{- define "writ.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "writ.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* Values that would fail later, or open something, are refused here with what to write instead. */ -}}
{{- define "writ.check" -}}
{{- $callers := .Values.callerAuthentication -}}
{{- if and $callers.caSecret $callers.caConfigMap -}}
{{- fail "callerAuthentication: set caSecret or caConfigMap, not both" -}}
{{- end -}}
{{- if and (include "writ.callers" .) (not $callers.names) -}}
{{- fail "callerAuthentication.names: name the certificates that are accepted; an authority alone would let in whatever it ever issues" -}}
{{- end -}}
{{- if and $callers.names (not (include "writ.callers" .)) -}}
{{- fail "callerAuthentication.names has no effect without caSecret or caConfigMap: set one of them" -}}
{{- end -}}
{{- if and $callers.acceptUnauthenticatedOnce (include "writ.callers" .) -}}
{{- fail "callerAuthentication.acceptUnauthenticatedOnce contradicts an authority for callers: remove one of them" -}}
{{- end -}}
{{- if has .Release.Namespace (list "kube-system" "kube-node-lease" "kube-public" "default") -}}
{{- fail (printf "install Writ into a namespace of its own, not into `%s`: its namespace is exempt and its records are locked (helm install writ … --namespace writ --create-namespace)" .Release.Namespace) -}}
{{- end -}}
{{- if has .Values.breakGlass.group (list "system:authenticated" "system:unauthenticated" "system:serviceaccounts" "system:nodes" "system:masters") -}}
{{- fail (printf "breakGlass.group: `%s` has members all the time, so nothing they do would be governed: choose a group that nobody is in" .Values.breakGlass.group) -}}
{{- end -}}
{{- if has "kubernetes.io/metadata.name" .Values.guardedLabelKeys -}}
{{- fail "guardedLabelKeys: `kubernetes.io/metadata.name` needs no guard, the API server itself keeps it equal to the name: leave it out" -}}
{{- end -}}
{{- $forbidden := list "configmaps" "events" "leases" "endpoints" "endpointslices" "leasecandidates" -}}
{{- range $rule := .Values.webhook.rules -}}
{{- range $group := $rule.apiGroups -}}
{{- if contains "*" $group -}}
{{- fail "webhook.rules: `*` as an API group is refused: write the groups out, because Writ's rights to read follow from them" -}}
{{- end -}}
{{- if has $group (list "authentication.k8s.io" "authorization.k8s.io" "admissionregistration.k8s.io" "writ.dev" "coordination.k8s.io" "events.k8s.io") -}}
{{- fail (printf "webhook.rules: API group `%s` is refused: reviews, leases and events must go on without Writ, webhook configurations are never sent to webhooks, and policies have a webhook of their own" $group) -}}
{{- end -}}
{{- end -}}
{{- range $resource := $rule.resources -}}
{{- $main := splitList "/" $resource | first -}}
{{- if contains "*" $main -}}
{{- fail (printf "webhook.rules: resource `%s` is refused: write the resources out, because Writ's rights to read follow from them" $resource) -}}
{{- end -}}
{{- if or (has $main $forbidden) (has $resource (list "nodes/status" "nodes/*")) -}}
{{- fail (printf "webhook.rules: resource `%s` is refused: the cluster needs it to recover while Writ does not answer" $resource) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The rules of the validating webhook: all of them. */ -}}
{{- define "writ.rules.validate" -}}
{{- range .Values.webhook.rules }}
- apiGroups: {{ toJson .apiGroups }}
  apiVersions: {{ toJson (.apiVersions | default (list "*")) }}
  operations: {{ toJson (.operations | default (list "*")) }}
  resources: {{ toJson .resources }}
  scope: "*"
{{- end }}
{{- end -}}

{{- /* The rules of the mutating webhook: from the same list, what can carry an attestation. */ -}}
{{- define "writ.rules.mutate" -}}
{{- range .Values.webhook.rules }}
{{- $main := list }}
{{- range .resources }}{{ if not (contains "/" .) }}{{ if ne . "bindings" }}{{ $main = append $main . }}{{ end }}{{ end }}{{ end }}
{{- $operations := list }}
{{- $all := .operations | default (list "*") }}
{{- range list "CREATE" "UPDATE" }}{{ if or (has . $all) (has "*" $all) }}{{ $operations = append $operations . }}{{ end }}{{ end }}
{{- if and $main $operations }}
- apiGroups: {{ toJson .apiGroups }}
  apiVersions: {{ toJson (.apiVersions | default (list "*")) }}
  operations: {{ toJson $operations }}
  resources: {{ toJson $main }}
  scope: "*"
{{- end }}
{{- end }}
{{- end -}}

{{- /* What both webhooks share beside their rules. */ -}}
{{- define "writ.webhook" -}}
admissionReviewVersions: [v1]
sideEffects: NoneOnDryRun
timeoutSeconds: 2
matchPolicy: Equivalent
failurePolicy: {{ .Values.failurePolicy }}
{{- end -}}

{{- /* Whose requests are not sent at all; with `further` conditions from the values. */ -}}
{{- define "writ.matchConditions" -}}
{{- $conditions := list -}}
{{- with .root.Values.breakGlass.group -}}
{{- $expression := printf "!has(request.userInfo.groups) || !(%s in request.userInfo.groups)" (squote .) -}}
{{- $conditions = append $conditions (dict "name" "not-break-glass" "expression" $expression) -}}
{{- end -}}
{{- with concat $conditions .further -}}
matchConditions:
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{- /* Namespaces by the label that the API server keeps equal to their name; no other label is safe from their editors. */ -}}
{{- define "writ.namespaceSelector" -}}
matchExpressions:
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: {{ toJson (list .Release.Namespace "kube-system" "kube-node-lease" | sortAlpha | uniq) }}
{{- end -}}

{{- /* Kinds that Writ may read: those of the rules, one group a line. Never Secrets. */ -}}
{{- define "writ.readable" -}}
{{- $groups := dict -}}
{{- range $rule := .Values.webhook.rules -}}
{{- range $group := $rule.apiGroups -}}
{{- $kinds := get $groups $group | default (list) -}}
{{- range $resource := $rule.resources -}}
{{- $main := splitList "/" $resource | first -}}
{{- if not (or (and (eq $group "") (has $main (list "secrets" "bindings"))) (has $main $kinds)) -}}
{{- $kinds = append $kinds $main -}}
{{- end -}}
{{- end -}}
{{- $_ := set $groups $group $kinds -}}
{{- end -}}
{{- end -}}
{{- range $group := keys $groups | sortAlpha }}
{{- with get $groups $group }}
- apiGroups: [{{ quote $group }}]
  resources: {{ toJson (sortAlpha .) }}
  verbs: [get, list, watch]
{{- end }}
{{- end }}
{{- end -}}

{{- /* The pod of a hook: arguments are the hook's. */ -}}
{{- define "writ.hookJob" -}}
{{- $root := .root -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: writ-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "writ.labels" $root | nindent 4 }}
    app.kubernetes.io/component: hook
  annotations:
    helm.sh/hook: {{ .hooks }}
    helm.sh/hook-weight: {{ .weight | quote }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
    helm.sh/hook-output-log-policy: hook-failed
spec:
  backoffLimit: {{ ternary 0 2 (eq .hooks "test") }}
  activeDeadlineSeconds: 180
  # One that failed is there to be looked at, but not for ever.
  ttlSecondsAfterFinished: 3600
  template:
    metadata:
      labels:
        {{- include "writ.labels" $root | nindent 8 }}
        app.kubernetes.io/component: hook
    spec:
      restartPolicy: Never
      serviceAccountName: {{ .account }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{ toJson . }}
      {{- end }}
      {{- with $root.Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $root.Values.nodeSelector }}
      nodeSelector: {{ toJson . }}
      {{- end }}
      {{- with $root.Values.tolerations }}
      tolerations: {{ toJson . }}
      {{- end }}
      securityContext:
        {{- include "writ.podSecurity" $root | nindent 8 }}
      containers:
      - name: hook
        image: {{ include "writ.image" $root }}
        imagePullPolicy: {{ $root.Values.image.pullPolicy }}
        args: {{ toJson (concat (list "hook" .name) .args) }}
        env:
        - name: POD_NAMESPACE
          valueFrom:
            fieldRef:
              fieldPath: metadata.namespace
        securityContext:
          {{- include "writ.containerSecurity" $root | nindent 10 }}
        resources:
          requests: {cpu: 10m, memory: 32Mi}
          limits: {memory: 128Mi}
        terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}
