# Puts the OpenTelemetry agent beside a copy of an Nginx configuration and loads it.
# $1: the name of the configuration file.
set -e

image=/opt/opentelemetry
volumes=/opt/opentelemetry-webserver
agent=$volumes/agent
staging=$volumes/source-conf

cp -r "$image/." "$agent/"

log_directory=/opt/opentelemetry-webserver/agent/logs
sed "s,__agent_log_dir__,$log_directory,g" \
  "$agent/conf/opentelemetry_sdk_log4cxx.xml.template" >"$agent/conf/opentelemetry_sdk_log4cxx.xml"

printf '%s\n' "$OTEL_NGINX_AGENT_CONF" >"$staging/opentelemetry_agent.conf"
sed -i "s,<<SID-PLACEHOLDER>>,$OTEL_NGINX_SERVICE_INSTANCE_ID,g" "$staging/opentelemetry_agent.conf"

if [ ! -d "$staging/conf.d" ]; then
  # The server must start all the same.
  echo "there is no conf.d beside $1: nothing includes the agent's configuration, so nothing is traced" >&2
  mkdir "$staging/conf.d"
fi
mv "$staging/opentelemetry_agent.conf" "$staging/conf.d/"

# Last, so that a second try does not find the lines there already.
modules=/opt/opentelemetry-webserver/agent/WebServerModule/Nginx
read -r version <"$staging/version.txt"
{
  printf 'env OTEL_RESOURCE_ATTRIBUTES;\n'
  printf 'load_module %s/%s/ngx_http_opentelemetry_module.so;\n' "$modules" "$version"
  cat "$staging/$1"
} >"$staging/.opentelemetry.conf"
cat "$staging/.opentelemetry.conf" >"$staging/$1"
rm "$staging/.opentelemetry.conf"
