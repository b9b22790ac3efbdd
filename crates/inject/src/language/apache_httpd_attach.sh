# Puts the OpenTelemetry agent beside a copy of an Apache HTTPD configuration and includes it.
# $1: the directory of the configuration in the application.
set -e

image=/opt/opentelemetry
volumes=/opt/opentelemetry-webserver
agent=$volumes/agent
staging=$volumes/source-conf

cp -r "$image/." "$agent/"

log_directory=/opt/opentelemetry-webserver/agent/logs
sed "s,__agent_log_dir__,$log_directory,g" \
  "$agent/conf/opentelemetry_sdk_log4cxx.xml.template" >"$agent/conf/opentelemetry_sdk_log4cxx.xml"

printf '%s\n' "$OTEL_APACHE_AGENT_CONF" >"$staging/opentemetry_agent.conf"
sed -i "s,<<SID-PLACEHOLDER>>,$APACHE_SERVICE_INSTANCE_ID,g" "$staging/opentemetry_agent.conf"

# The empty line ends a last line without a newline.
printf '\nInclude %s\n' "$1/opentemetry_agent.conf" >>"$staging/httpd.conf"
