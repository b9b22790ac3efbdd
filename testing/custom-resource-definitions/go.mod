// The definitions that collectors may make objects of, pinned. Only their YAML is read; nothing is compiled.
module opentelemetry-operator.test/custom-resource-definitions

go 1.26.0

require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.4.0
)
