{{- define "writ.protect.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "writ.labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end -}}

{{- /* Every protecting policy, as the pre-delete hook removes them. */ -}}
{{- define "writ.protect.names" -}}
{{- $names := list "writ-attestation-status" "writ-attestation-binding" "writ-records" "writ-namespace" "writ-status" -}}
{{- if .Values.guardedLabelKeys -}}{{- $names = append $names "writ-namespace-labels" -}}{{- end -}}
{{- toJson $names -}}
{{- end -}}
