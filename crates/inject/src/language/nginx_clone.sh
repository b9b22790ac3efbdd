# Copies an Nginx configuration to the shared volume and notes the server's version.
# $1: the directory of the configuration.
set -e

staging=/opt/opentelemetry-webserver/source-conf

cp -r "$1"/* "$staging/"

# "nginx version: nginx/1.25.3", distributions append a name in parentheses.
version=$(nginx -v 2>&1)
version=${version##*/}
printf '%s\n' "${version%% *}" >"$staging/version.txt"
