//! Files, folders and standard input → documents.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::yaml;

/// A file, or standard input.
#[derive(Debug)]
pub(crate) struct File {
    /// As the user wrote it, or found below a folder that the user wrote.
    pub name: String,
    /// Its folder, when the user gave a folder; the given one comes first.
    pub folders: Vec<PathBuf>,
    /// Its documents. Their texts, put together, are the file.
    pub documents: Vec<Document>,
}

/// One YAML or JSON document.
#[derive(Debug)]
pub(crate) struct Document {
    /// From 1, empty documents not counted.
    pub number: usize,
    /// The text, separator and comments included.
    pub text: String,
    /// Its value; or why it has none.
    pub value: Result<Value, String>,
}

/// Something that could not be read or understood: `<file>, document <n>, <object>: <field>: <what>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem(pub String);

impl Problem {
    /// A problem of a document.
    pub(crate) fn of(file: &File, document: &Document, text: impl std::fmt::Display) -> Problem {
        Problem(format!("{}: {text}", place(file, document)))
    }
}

/// How a document is named in messages.
pub(crate) fn place(file: &File, document: &Document) -> String {
    match file.documents.iter().filter(|d| d.number > 0).count() {
        0 | 1 => file.name.clone(),
        _ => format!("{}, document {}", file.name, document.number),
    }
}

/// Reads everything that `-f` names. What cannot be read becomes a problem; the rest is read nevertheless.
pub(crate) fn read(names: &[String]) -> (Vec<File>, Vec<Problem>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for name in names {
        if name == "-" {
            let mut text = String::new();
            match std::io::stdin().read_to_string(&mut text) {
                Ok(_) => files.push(file("stdin", Vec::new(), &text)),
                Err(error) => problems.push(Problem(format!("stdin: {error}"))),
            }
            continue;
        }
        let path = Path::new(name);
        if path.is_dir() {
            let before = files.len();
            folder(path, &mut vec![path.to_owned()], &mut files, &mut problems);
            if files.len() == before {
                problems.push(Problem(format!("{name}: no .yaml, .yml or .json file in this folder")));
            }
        } else {
            open(path, Vec::new(), &mut files, &mut problems);
        }
    }
    (files, problems)
}

/// Reads a folder and its folders, in the order of names. What begins with a dot is left out.
fn folder(path: &Path, folders: &mut Vec<PathBuf>, files: &mut Vec<File>, problems: &mut Vec<Problem>) {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return problems.push(Problem(format!("{}: {error}", path.display()))),
    };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // A link to a folder is not followed: it could lead back.
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            folders.push(path.clone());
            folder(&path, folders, files, problems);
            folders.pop();
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json")
            && may_be_read(&path)
        {
            open(&path, folders.clone(), files, problems);
        }
    }
}

/// What cannot be looked at is opened, so that the reason is told: a link that leads nowhere. A pipe would wait for ever.
fn may_be_read(path: &Path) -> bool {
    path.metadata().map_or(true, |found| found.is_file())
}

fn open(path: &Path, folders: Vec<PathBuf>, files: &mut Vec<File>, problems: &mut Vec<Problem>) {
    let name = path.display().to_string();
    match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => files.push(file(&name, folders, &text)),
        Ok(Err(_)) => problems.push(Problem(format!("{name}: it is no text in UTF-8"))),
        Err(error) => problems.push(Problem(format!("{name}: {error}"))),
    }
}

fn file(name: &str, folders: Vec<PathBuf>, text: &str) -> File {
    let (mut number, mut first_line) = (0, 0);
    let documents = yaml::split(text)
        .into_iter()
        .map(|text| {
            let value = yaml::parse(text).map_err(|error| match error.line {
                Some(line) => format!("line {}: {}", first_line + line, error.message),
                None => error.message,
            });
            first_line += text.lines().count();
            let number = if value == Ok(Value::Null) {
                0
            } else {
                number += 1;
                number
            };
            Document { number, text: text.to_owned(), value }
        })
        .collect();
    File { name: name.to_owned(), folders, documents }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_told_and_what_is_no_file_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("good.yaml"), "a: 1").unwrap();
        std::fs::create_dir(folder.path().join("folder.yaml")).unwrap();
        std::os::unix::fs::symlink("folder.yaml", folder.path().join("link.yaml")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("broken.yaml")).unwrap();
        // A named pipe; whoever opens it waits.
        let pipe = folder.path().join("pipe.yaml");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (files, problems) = read(&[folder.path().display().to_string()]);
        assert_eq!(files.iter().map(|f| f.documents.len()).collect::<Vec<_>>(), [1]);
        assert!(matches!(&problems[..], [only] if only.0.contains("broken.yaml")), "{problems:?}");
    }
}
