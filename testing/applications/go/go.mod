module opentelemetry-operator.test/application

go 1.26.0
