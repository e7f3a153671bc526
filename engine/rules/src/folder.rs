//! The one module that reads files: a deployment folder's `metasync.toml`, `rules/*.toml` and `tests/*.toml`. Never writes one.

use crate::document::{CONFIGURATION_FILE, FileContent, FileText, Files, Loaded, RULES_FOLDER, load};
use crate::rule_test::TESTS_FOLDER;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// Loads a deployment folder. A file that is missing or cannot be read is a diagnostic like any other mistake.
pub fn load_folder(folder: &Path) -> Loaded {
    let configuration = read(Arc::from(CONFIGURATION_FILE), &folder.join(CONFIGURATION_FILE));
    let files = Files { configuration, rules: read_rules(&folder.join(RULES_FOLDER)) };
    load(&files, folder.to_path_buf())
}

/// The rule files of a folder, by name. A folder that is not there has none.
pub fn read_rules(folder: &Path) -> Vec<FileText> {
    read_below(folder, RULES_FOLDER)
}

/// The test files of a folder, by name. A folder that is not there has none.
pub fn read_tests(folder: &Path) -> Vec<FileText> {
    read_below(folder, TESTS_FOLDER)
}

/// One file, under the name that diagnostics show.
pub fn read_file(name: &str, path: &Path) -> FileText {
    read(Arc::from(name), path)
}

/// `*.toml` of a folder, named `shown/FILE`.
fn read_below(folder: &Path, shown: &str) -> Vec<FileText> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            return vec![FileText {
                name: Arc::from(format!("{shown}/")),
                content: FileContent::Unreadable(error.to_string()),
            }];
        }
    };
    let mut files: Vec<FileText> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            read(Arc::from(format!("{shown}/{name}")), &path)
        })
        .collect();
    files.sort_by(|left, right| left.name.cmp(&right.name));
    files
}

fn read(name: Arc<str>, path: &Path) -> FileText {
    let content = match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => FileContent::Text(text),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let bytes = error.into_bytes();
                let readable = bytes.get(..valid).unwrap_or_default();
                FileContent::NotUtf8(String::from_utf8_lossy(readable).into_owned())
            }
        },
        Err(error) if error.kind() == ErrorKind::NotFound => FileContent::Missing,
        Err(error) => FileContent::Unreadable(error.to_string()),
    };
    FileText { name, content }
}
