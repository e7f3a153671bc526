//! Writes an operator's files whole or not at all, also when the process is killed or the machine loses its power; of several
//! writes none is there without those before it.

use crate::failure::Failure;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::path::Path;

/// Another text in a file that is there, and not over somebody else's change since it was read as `before`.
pub(crate) fn replace(path: &Path, before: &str, after: &str) -> Result<(), Failure> {
    let now = fs::read_to_string(path).map_err(|error| Failure::file("cannot read", path, &error))?;
    if now != before {
        return Err(Failure::new(
            "changed-meanwhile",
            format!("{} was changed by somebody else meanwhile; it was left alone", path.display()),
            "run the command again",
        ));
    }
    write(path, after)
}

/// A file that may be there, with the permissions that it has then; a new one is for its owner alone.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let put = || {
        // A link stays a link: what it points at is replaced.
        let real = if path.exists() { path.canonicalize()? } else { path.to_owned() };
        let permissions = real.exists().then(|| fs::metadata(&real)).transpose()?.map(|found| found.permissions());
        let file = prepared(&real, text, permissions)?;
        file.persist(&real).map_err(|error| error.error)?;
        keep_order(&real);
        Ok(())
    };
    put().map_err(|error: io::Error| Failure::file("cannot write", path, &error))
}

/// A new file, for whom the file `alike` is; one that is there is an error and stays as it is.
pub(crate) fn create(path: &Path, text: &str, alike: &Path) -> io::Result<()> {
    let file = prepared(path, text, Some(fs::metadata(alike)?.permissions()))?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    keep_order(path);
    Ok(())
}

fn prepared(path: &Path, text: &str, permissions: Option<Permissions>) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new_in(folder_of(path))?;
    file.write_all(text.as_bytes())?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name is on the disk before the next file is begun. Where a folder cannot be opened for that, the file is still whole.
fn keep_order(path: &Path) {
    let _not_everywhere = fs::File::open(folder_of(path)).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_read_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metasync.toml");
        fs::write(&path, "theirs").unwrap();
        let failure = replace(&path, "mine", "new").unwrap_err();
        assert_eq!((failure.code, fs::read_to_string(&path).unwrap().as_str()), ("changed-meanwhile", "theirs"));
        replace(&path, "theirs", "new").unwrap_or_else(|failure| panic!("{}", failure.text()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(create(&path, "other", &path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no half file stays");
    }

    /// Files of a deployment may be links into a folder that is kept elsewhere.
    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [real, link, new] = ["real", "link", "new"].map(|name| folder.path().join(name));
        fs::write(&real, "before").unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace(&link, "before", "after").unwrap_or_else(|failure| panic!("{}", failure.text()));
        create(&new, "new", &link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "after");
        for path in [&real, &new] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o640);
        }
    }
}
