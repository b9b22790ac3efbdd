//! Which proxy leads to the API server, if any: as kubectl and the reference decide it. Pure.

use std::net::IpAddr;

use anyhow::{Result, bail};
use hyper::{Uri, header::HeaderValue};
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// A proxy that opens tunnels (`CONNECT`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is; without what it is told of us.
    pub uri: Uri,
    /// `Proxy-Authorization`.
    pub(super) authorization: Option<HeaderValue>,
}

/// The `proxy-url` that a kubeconfig states for the cluster that is chosen.
pub(super) fn stated(file: &Kubeconfig, options: &KubeConfigOptions) -> Option<String> {
    let context = options.context.as_ref().or(file.current_context.as_ref());
    let context = file.contexts.iter().find(|c| Some(&c.name) == context).and_then(|c| c.context.as_ref());
    let name = options.cluster.as_ref().or(context.map(|context| &context.cluster))?;
    let cluster = file.clusters.iter().find(|c| c.name == *name)?.cluster.as_ref()?;
    cluster.proxy_url.clone().filter(|url| !url.is_empty())
}

/// The proxy on the way to `target`. What the kubeconfig states holds whatever the environment says; `HTTPS_PROXY` holds for HTTPS,
/// unless `NO_PROXY` names the target, and never for this machine.
///
/// # Errors
/// When the proxy is none that opens tunnels over plain HTTP.
pub(super) fn choose(
    stated: Option<&str>,
    target: &Uri,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>> {
    if let Some(url) = stated {
        return read("proxy-url of the kubeconfig", url).map(Some);
    }
    let given = |name: &str| {
        let spellings = [name.to_owned(), name.to_lowercase()];
        spellings.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()))
    };
    let Some(url) = given("HTTPS_PROXY") else { return Ok(None) };
    if target.scheme_str() != Some("https") || is_this_machine(target) {
        return Ok(None);
    }
    let except = given("NO_PROXY").unwrap_or_default();
    // The matcher takes it for a name, and would ask addresses to match it.
    if except.split(',').any(|entry| entry.trim() == "*") {
        return Ok(None);
    }
    // The same target by the same proxy: whether it goes through is all that is asked here.
    let exceptions = exceptions(&except, target.port_u16().unwrap_or(443));
    let matcher = Matcher::builder().https("http://any").no(exceptions).build();
    match matcher.intercept(target) {
        Some(_) => read("HTTPS_PROXY", &url).map(Some),
        None => Ok(None),
    }
}

fn read(origin: &str, url: &str) -> Result<Proxy> {
    let any = Uri::from_static("https://any");
    // It tells user and password apart, and knows `host:port` without a scheme.
    let proxy = Matcher::builder().https(url).build().intercept(&any);
    match proxy {
        Some(proxy) if proxy.uri().scheme_str() == Some("http") && has_usable_port(proxy.uri()) => {
            Ok(Proxy { uri: proxy.uri().clone(), authorization: proxy.basic_auth().cloned() })
        }
        // Without the text: it may hold a password.
        _ => bail!("{origin} is no proxy that can be used; give http://HOST:PORT"),
    }
}

/// Whether the port is one, where one is given.
fn has_usable_port(uri: &Uri) -> bool {
    let authority = uri.authority().map(hyper::http::uri::Authority::as_str).unwrap_or_default();
    let after_host = authority.rsplit([']', '@']).next().unwrap_or_default();
    !after_host.contains(':') || uri.port_u16().is_some()
}

fn is_this_machine(target: &Uri) -> bool {
    let host = target.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `NO_PROXY` in the spellings that the matcher knows: `*.example.com` is `.example.com`, and an entry with a port is one for this port.
fn exceptions(list: &str, port: u16) -> String {
    let entries = list.split(',').map(str::trim).filter_map(|entry| {
        let entry = entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry);
        match entry.rsplit_once(':') {
            Some((host, of)) if host.ends_with(']') || !host.contains(':') => {
                (of.parse() == Ok(port)).then(|| host.trim_matches(['[', ']']))
            }
            _ => Some(entry.trim_matches(['[', ']'])),
        }
    });
    entries.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(stated: Option<&str>, target: &str, variables: &[(&str, &str)]) -> Result<Option<Proxy>> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        choose(stated, &target.parse().unwrap(), variable)
    }

    fn uri(proxy: Result<Option<Proxy>>) -> String {
        proxy.unwrap().map(|proxy| proxy.uri.to_string()).unwrap_or_default()
    }

    const TARGET: &str = "https://api.example.com:6443";
    const PROXY: (&str, &str) = ("HTTPS_PROXY", "http://proxy:3128");

    #[test]
    fn the_environment_names_the_proxy_and_its_exceptions() {
        assert_eq!(uri(chosen(None, TARGET, &[])), "");
        assert_eq!(uri(chosen(None, TARGET, &[PROXY])), "http://proxy:3128/");
        assert_eq!(uri(chosen(None, TARGET, &[("https_proxy", "proxy:3128")])), "http://proxy:3128/");
        assert_eq!(uri(chosen(None, TARGET, &[("HTTP_PROXY", "http://proxy:3128")])), "", "that is for HTTP");
        for (exception, direct) in [
            ("api.example.com", true),
            ("example.com", true),
            (".example.com", true),
            ("a, *.example.com,,", true),
            ("api.example.com:6443", true),
            ("*", true),
            ("api.example.com:443", false),
            ("xample.com", false),
            ("", false),
        ] {
            let chosen = uri(chosen(None, TARGET, &[PROXY, ("NO_PROXY", exception)]));
            assert_eq!(chosen.is_empty(), direct, "{exception}");
        }
        for (target, exception) in [
            ("https://10.1.2.3:6443", "10.0.0.0/8"),
            ("https://[fd00::1]:6443", "fd00::/8"),
            ("https://[fd00::1]:6443", "[fd00::1]"),
            ("https://10.1.2.3:6443", "a, *"),
        ] {
            assert_eq!(uri(chosen(None, target, &[PROXY, ("no_proxy", exception)])), "", "{exception}");
        }
        let hidden = [("HTTPS_PROXY", ""), ("https_proxy", "http://proxy:3128"), ("NO_PROXY", "")];
        assert_eq!(uri(chosen(None, TARGET, &hidden)), "http://proxy:3128/", "what is empty is not given");
        let error = chosen(None, TARGET, &[("HTTPS_PROXY", "http://proxy:99999")]).unwrap_err().to_string();
        assert!(error.contains("HTTPS_PROXY"), "{error}");
    }

    #[test]
    fn this_machine_and_plain_http_need_no_proxy() {
        for target in
            ["https://localhost:6443", "https://127.0.0.1:6443", "https://[::1]:6443", "http://api:8080"]
        {
            assert_eq!(uri(chosen(None, target, &[PROXY])), "", "{target}");
        }
    }

    #[test]
    fn what_the_kubeconfig_states_holds() {
        let variables = [PROXY, ("NO_PROXY", "*")];
        assert_eq!(
            uri(chosen(Some("http://other:1"), "https://127.0.0.1:6443", &variables)),
            "http://other:1/"
        );
    }

    #[test]
    fn what_is_told_to_the_proxy_is_no_part_of_its_address() {
        let proxy = chosen(Some("http://user:p%40ss@proxy:3128"), TARGET, &[]).unwrap().unwrap();
        assert_eq!(proxy.uri, "http://proxy:3128/");
        assert_eq!(proxy.authorization.unwrap(), "Basic dXNlcjpwQHNz");
        for other in
            ["socks5://user:secret@proxy", "https://user:secret@proxy", "http://", "nonsense://secret"]
        {
            let error = chosen(Some(other), TARGET, &[]).unwrap_err().to_string();
            assert!(error.contains("give http://HOST:PORT") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_cluster_of_the_context_is_the_one_that_counts() {
        let file = "
clusters: [{name: a, cluster: {server: 'https://a', proxy-url: 'http://of-a'}}, {name: b, cluster: {server: 'https://b'}}]
contexts: [{name: to-a, context: {cluster: a, user: u}}, {name: to-b, context: {cluster: b, user: u}}]
current-context: to-a
";
        let file = Kubeconfig::from_yaml(file).unwrap();
        assert_eq!(stated(&file, &KubeConfigOptions::default()).as_deref(), Some("http://of-a"));
        let other = KubeConfigOptions { context: Some("to-b".to_owned()), ..KubeConfigOptions::default() };
        assert_eq!(stated(&file, &other), None);
    }
}
