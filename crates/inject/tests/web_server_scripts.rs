//! The scripts of the web servers' init containers, run for real by `/bin/sh` on a copy of what the images hold.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// Names that a shell would take apart or run, were they ever parsed.
const HOSTILE: [&str; 5] = ["a b;touch pwned", "$(touch pwned)", "`touch pwned`", "a'b\"c", "-n"];

/// A pod's file systems: agent image and shared volumes below one folder.
struct Pod {
    root: TempDir,
}

impl Pod {
    fn new() -> Pod {
        let pod = Pod { root: tempfile::tempdir().unwrap() };
        pod.write(
            "opt/opentelemetry/conf/opentelemetry_sdk_log4cxx.xml.template",
            "<a>__agent_log_dir__/x __agent_log_dir__</a>\n",
        );
        pod.write("opt/opentelemetry/sdk_lib/lib/libopentelemetry_common.so", "library");
        pod.write("opt/opentelemetry/.hidden", "dot file");
        pod.write(
            "opt/opentelemetry/WebServerModule/Nginx/1.25.3/ngx_http_opentelemetry_module.so",
            "module",
        );
        fs::create_dir_all(pod.path("opt/opentelemetry/logs")).unwrap();
        fs::create_dir_all(pod.agent("")).unwrap();
        fs::create_dir_all(pod.staging("")).unwrap();
        pod
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn agent(&self, path: &str) -> PathBuf {
        self.path("opt/opentelemetry-webserver/agent").join(path)
    }

    fn staging(&self, path: &str) -> PathBuf {
        self.path("opt/opentelemetry-webserver/source-conf").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        write(&self.path(path), text);
    }

    /// Puts a program on the PATH of [`Pod::run`].
    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        write(&path, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a script as the init container does: `/bin/sh -c SCRIPT -- ARGUMENT`.
    fn run(&self, script: &str, argument: &str, env: &[(&str, &str)]) -> Output {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/language").join(script);
        let text = fs::read_to_string(file).unwrap();
        // The root folder of the containers is ours.
        let text = text.replace("/opt/opentelemetry", &self.path("opt/opentelemetry").display().to_string());
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("bin").display());
        Command::new("/bin/sh")
            .args(["-c", &text, "--", argument])
            .env_clear()
            .env("PATH", path)
            .envs(env.iter().copied())
            .current_dir(self.root.path())
            .output()
            .unwrap()
    }

    /// A file's text, with the root folder taken out again.
    fn text(&self, path: &Path) -> String {
        fs::read_to_string(path).unwrap().replace(&format!("{}/", self.root.path().display()), "/")
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn assert_failure(output: &Output, part: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains(part), "{stderr}");
}

const APACHE: [(&str, &str); 2] = [
    (
        "OTEL_APACHE_AGENT_CONF",
        "\n#Attributes\nId <<SID-PLACEHOLDER>>\nAgain <<SID-PLACEHOLDER>> $(echo no) %s \\n\n",
    ),
    ("APACHE_SERVICE_INSTANCE_ID", "web-7d4b9c-x2x"),
];

fn apache(pod: &Pod, directory: &str) -> Output {
    pod.run("apache_httpd_attach.sh", directory, &APACHE)
}

#[test]
fn apache_has_agent_configuration_and_include_afterwards() {
    let pod = Pod::new();
    write(&pod.staging("httpd.conf"), "Listen 80\n");
    assert_success(&apache(&pod, "/usr/local/apache2/conf"));

    // 1: everything of the image, dot files and empty folders too.
    assert_eq!(fs::read_to_string(pod.agent("sdk_lib/lib/libopentelemetry_common.so")).unwrap(), "library");
    assert_eq!(fs::read_to_string(pod.agent(".hidden")).unwrap(), "dot file");
    assert!(pod.agent("logs").is_dir());
    // 2: the log configuration, with every placeholder replaced.
    let logs = "/opt/opentelemetry-webserver/agent/logs";
    assert_eq!(
        pod.text(&pod.agent("conf/opentelemetry_sdk_log4cxx.xml")),
        format!("<a>{logs}/x {logs}</a>\n")
    );
    assert!(pod.agent("conf/opentelemetry_sdk_log4cxx.xml.template").is_file());
    // 3 and 4: the agent's configuration, one newline more than the variable, the placeholders replaced, nothing else read.
    assert_eq!(
        fs::read_to_string(pod.staging("opentemetry_agent.conf")).unwrap(),
        "\n#Attributes\nId web-7d4b9c-x2x\nAgain web-7d4b9c-x2x $(echo no) %s \\n\n\n"
    );
    // 5: an empty line and the Include, with the directory in the application.
    assert_eq!(
        fs::read_to_string(pod.staging("httpd.conf")).unwrap(),
        "Listen 80\n\nInclude /usr/local/apache2/conf/opentemetry_agent.conf\n"
    );
}

#[test]
fn a_last_line_of_httpd_conf_without_newline_stays_a_line() {
    let pod = Pod::new();
    write(&pod.staging("httpd.conf"), "Listen 80");
    assert_success(&apache(&pod, "/conf"));
    assert_eq!(
        fs::read_to_string(pod.staging("httpd.conf")).unwrap(),
        "Listen 80\nInclude /conf/opentemetry_agent.conf\n"
    );
}

#[test]
fn apaches_directory_is_never_parsed_by_the_shell() {
    for name in HOSTILE {
        let pod = Pod::new();
        write(&pod.staging("httpd.conf"), "");
        assert_success(&apache(&pod, &format!("/{name}")));
        let expected = format!("\nInclude /{name}/opentemetry_agent.conf\n");
        assert_eq!(fs::read_to_string(pod.staging("httpd.conf")).unwrap(), expected);
        assert!(!pod.path("pwned").exists(), "{name}");
    }
}

#[test]
fn apaches_first_failing_step_is_the_last() {
    let pod = Pod::new();
    fs::remove_dir_all(pod.path("opt/opentelemetry")).unwrap();
    assert_failure(&apache(&pod, "/conf"), "opentelemetry");
    assert!(!pod.staging("opentemetry_agent.conf").exists() && !pod.staging("httpd.conf").exists());

    let pod = Pod::new();
    fs::remove_file(pod.path("opt/opentelemetry/conf/opentelemetry_sdk_log4cxx.xml.template")).unwrap();
    assert_failure(&apache(&pod, "/conf"), "log4cxx.xml.template");
    assert!(!pod.staging("opentemetry_agent.conf").exists() && !pod.staging("httpd.conf").exists());

    let pod = Pod::new();
    pod.program("sed", "echo 'sed is broken' >&2; exit 7");
    let output = apache(&pod, "/conf");
    assert_failure(&output, "sed is broken");
    assert_eq!(output.status.code(), Some(7));
    assert!(!pod.staging("opentemetry_agent.conf").exists());
}

#[test]
fn the_clone_of_nginx_has_the_configuration_and_the_version() {
    let pod = Pod::new();
    for name in ["etc/nginx".to_owned()].into_iter().chain(HOSTILE.map(|n| format!("etc/{n}"))) {
        let directory = pod.path(&name);
        write(&directory.join("nginx.conf"), "events {}\n");
        write(&directory.join("conf.d/default.conf"), "server {}\n");
        write(&directory.join(".dot"), "not copied");
        pod.program("nginx", "[ \"$*\" = -v ] && echo 'nginx version: nginx/1.25.3' >&2");
        assert_success(&pod.run("nginx_clone.sh", directory.to_str().unwrap(), &[]));
        assert_eq!(fs::read_to_string(pod.staging("nginx.conf")).unwrap(), "events {}\n");
        assert_eq!(fs::read_to_string(pod.staging("conf.d/default.conf")).unwrap(), "server {}\n");
        assert_eq!(fs::read_to_string(pod.staging("version.txt")).unwrap(), "1.25.3\n");
        assert!(!pod.staging(".dot").exists() && !pod.path("pwned").exists());
        fs::remove_dir_all(pod.staging("")).unwrap();
        fs::create_dir_all(pod.staging("")).unwrap();
    }
}

#[test]
fn the_version_of_nginx_has_no_name_of_a_distribution() {
    for (printed, version) in [
        ("nginx version: nginx/1.22.1 (Ubuntu)", "1.22.1\n"),
        (
            "ERROR: ld.so: object /a/b.so cannot be preloaded: ignored.\nnginx version: nginx/1.23.1",
            "1.23.1\n",
        ),
        ("nginx version: openresty/1.21.4.1", "1.21.4.1\n"),
    ] {
        let pod = Pod::new();
        pod.write("etc/nginx.conf", "");
        pod.program("nginx", &format!("echo '{printed}' >&2"));
        assert_success(&pod.run("nginx_clone.sh", pod.path("etc").to_str().unwrap(), &[]));
        assert_eq!(fs::read_to_string(pod.staging("version.txt")).unwrap(), version, "{printed}");
    }
}

#[test]
fn the_first_failing_step_of_the_clone_is_the_last() {
    let pod = Pod::new();
    pod.program("nginx", "touch ran");
    assert_failure(&pod.run("nginx_clone.sh", "/no/such/folder", &[]), "/no/such/folder");
    assert!(!pod.path("ran").exists() && !pod.staging("version.txt").exists());

    pod.write("etc/nginx.conf", "");
    pod.program("nginx", "exit 3");
    let output = pod.run("nginx_clone.sh", pod.path("etc").to_str().unwrap(), &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(!pod.staging("version.txt").exists());
}

const NGINX: [(&str, &str); 2] = [
    ("OTEL_NGINX_AGENT_CONF", "NginxModuleEnabled ON;\nNginxModuleServiceInstanceId <<SID-PLACEHOLDER>>;\n"),
    ("OTEL_NGINX_SERVICE_INSTANCE_ID", "web-0"),
];

fn nginx(pod: &Pod, name: &str) -> Output {
    pod.run("nginx_attach.sh", name, &NGINX)
}

fn cloned_nginx(name: &str, configuration: &str) -> Pod {
    let pod = Pod::new();
    write(&pod.staging(name), configuration);
    write(&pod.staging("version.txt"), "1.25.3\n");
    fs::create_dir(pod.staging("conf.d")).unwrap();
    pod
}

const MODULE: &str = "env OTEL_RESOURCE_ATTRIBUTES;\nload_module /opt/opentelemetry-webserver/agent/WebServerModule/Nginx/1.25.3/ngx_http_opentelemetry_module.so;\n";

#[test]
fn nginx_loads_the_module_of_its_version_afterwards() {
    let pod = cloned_nginx("nginx.conf", "user nginx;\nhttp { include conf.d/*.conf; }");
    assert_success(&nginx(&pod, "nginx.conf"));

    assert_eq!(fs::read_to_string(pod.agent("sdk_lib/lib/libopentelemetry_common.so")).unwrap(), "library");
    let logs = "/opt/opentelemetry-webserver/agent/logs";
    assert_eq!(
        pod.text(&pod.agent("conf/opentelemetry_sdk_log4cxx.xml")),
        format!("<a>{logs}/x {logs}</a>\n")
    );
    // Moved into conf.d, under the right spelling, with the pod's name.
    assert_eq!(
        fs::read_to_string(pod.staging("conf.d/opentelemetry_agent.conf")).unwrap(),
        "NginxModuleEnabled ON;\nNginxModuleServiceInstanceId web-0;\n\n"
    );
    assert!(!pod.staging("opentelemetry_agent.conf").exists());
    // The two lines on top, in this order; the rest as it was, its missing newline included.
    assert_eq!(
        pod.text(&pod.staging("nginx.conf")),
        format!("{MODULE}user nginx;\nhttp {{ include conf.d/*.conf; }}")
    );
    let left: Vec<_> = fs::read_dir(pod.staging("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nginx.conf, conf.d and version.txt: {left:?}");
}

#[test]
fn nginxs_file_name_is_never_parsed_by_the_shell() {
    for name in HOSTILE {
        let pod = cloned_nginx(name, "http {}\n");
        assert_success(&nginx(&pod, name));
        assert_eq!(pod.text(&pod.staging(name)), format!("{MODULE}http {{}}\n"));
        assert!(!pod.path("pwned").exists(), "{name}");
    }
}

#[test]
fn nginx_starts_without_conf_d_and_the_log_says_what_is_missing() {
    let pod = cloned_nginx("nginx.conf", "http {}\n");
    fs::remove_dir(pod.staging("conf.d")).unwrap();
    let output = nginx(&pod, "nginx.conf");
    assert_success(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no conf.d"));
    assert!(pod.staging("conf.d/opentelemetry_agent.conf").is_file());
}

#[test]
fn nginxs_first_failing_step_is_the_last_and_a_second_try_is_as_good_as_the_first() {
    let pod = cloned_nginx("nginx.conf", "http {}\n");
    fs::remove_file(pod.staging("version.txt")).unwrap();
    assert_failure(&nginx(&pod, "nginx.conf"), "version.txt");
    assert_eq!(fs::read_to_string(pod.staging("nginx.conf")).unwrap(), "http {}\n");

    // Kubelet restarts a failed init container on the same volumes.
    write(&pod.staging("version.txt"), "1.25.3\n");
    assert_success(&nginx(&pod, "nginx.conf"));
    assert_eq!(pod.text(&pod.staging("nginx.conf")), format!("{MODULE}http {{}}\n"));

    let pod = cloned_nginx("nginx.conf", "http {}\n");
    fs::remove_dir_all(pod.path("opt/opentelemetry")).unwrap();
    assert_failure(&nginx(&pod, "nginx.conf"), "opentelemetry");
    assert_eq!(fs::read_to_string(pod.staging("nginx.conf")).unwrap(), "http {}\n");
    assert!(!pod.staging("conf.d/opentelemetry_agent.conf").exists());

    let pod = cloned_nginx("nginx.conf", "http {}\n");
    assert_failure(&nginx(&pod, "other.conf"), "other.conf");
    assert!(!pod.staging("other.conf").exists(), "no configuration is made up");
}
