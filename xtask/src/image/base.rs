//! What the other images stand on: libc and a shell from Debian packages.

use serde_json::json;
use testkit::node::debian_packages;

use super::{Layer, PAUSE, Recipe};

/// The C and C++ libraries that Node.js, Java and Python need.
const LIBRARIES: &[&str] = &["libc6", "libgcc-s1", "libstdc++6", "zlib1g"];
/// Commands that tests and agent images call.
const APPLETS: &[&str] = &[
    "sh", "cat", "cp", "ls", "mkdir", "sleep", "test", "timeout", "wget", "nc", "id", "env", "chmod", "grep",
];
/// Nobody's numeric id, as distroless images use it.
pub(crate) const NOBODY: &str = "65532:65532";

pub(crate) fn recipes() -> Vec<Recipe> {
    vec![Recipe {
        name: "pause",
        image: PAUSE.to_owned(),
        config: json!({"Entrypoint": ["/bin/busybox", "sleep", "infinity"], "User": NOBODY}),
        sources: vec![APPLETS.join(" ")],
        layers: |_| Ok(vec![shell()?]),
    }]
}

/// A shell and the usual commands, in one static program.
pub(crate) fn shell() -> anyhow::Result<Layer> {
    let busybox = debian_packages("busybox", &["busybox-static"])?;
    let mut layer = Layer::default().file("bin/busybox", &busybox.join("bin/busybox"))?;
    for applet in APPLETS {
        layer = layer.link(&format!("bin/{applet}"), "busybox");
    }
    Ok(layer
        .folder("tmp", 0o1777)
        .text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnonroot:x:65532:65532:nonroot:/tmp:/bin/sh\n")
        .text("etc/group", "root:x:0:\nnonroot:x:65532:\n"))
}

/// The shell, and the libraries of programs that are not static.
pub(crate) fn layers() -> anyhow::Result<Vec<Layer>> {
    let libraries = debian_packages("base", LIBRARIES)?;
    Ok(vec![shell()?, Layer::default().tree("", &libraries, documentation)?])
}

/// Manuals and the like have no place in an image.
pub(crate) fn documentation(path: &std::path::Path) -> bool {
    ["usr/share/doc", "usr/share/man", "usr/share/lintian"].iter().any(|folder| path.ends_with(folder))
}
