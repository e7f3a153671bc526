//! Changes the files of a folder whole or not at all: everything is kept first, metasync.toml changes last, and what goes
//! wrong on the way is taken back. A process that is killed on the way leaves a folder that `check` refuses, with all files
//! kept; the command carries on from there.

use super::KEPT;
use super::plan::{Change, Plan};
use crate::commands::scope::replace;
use crate::failure::Failure;
use std::fs;
use std::io::Write;
use std::path::Path;

pub(super) fn change(folder: &Path, plan: &Plan) -> Result<(), Failure> {
    for change in &plan.changes {
        keep(folder, change)?;
    }
    let mut done: Vec<&Change> = Vec::new();
    for change in &plan.changes {
        if let Err(failure) = write(folder, change) {
            for change in done.iter().rev() {
                let path = folder.join(&change.name);
                match &change.before {
                    Some(before) => replace(&path, &change.after, before)?,
                    None => fs::remove_file(&path).map_err(|error| Failure::file("cannot remove", &path, &error))?,
                }
            }
            let message = format!("nothing was changed: {}", failure.message);
            return Err(Failure { message, ..failure });
        }
        done.push(change);
    }
    Ok(())
}

/// The file as it is. What was kept before, by a run that was killed, is older and stays.
fn keep(folder: &Path, change: &Change) -> Result<(), Failure> {
    let Some(before) = &change.before else { return Ok(()) };
    let path = folder.join(KEPT).join(&change.name);
    let make = || {
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        match fs::File::create_new(&path) {
            Ok(mut file) => file.write_all(before.as_bytes()).and_then(|()| file.sync_all()),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    };
    make().map_err(|error| Failure::file("cannot keep", &path, &error))
}

fn write(folder: &Path, change: &Change) -> Result<(), Failure> {
    let path = folder.join(&change.name);
    match &change.before {
        Some(before) => replace(&path, before, &change.after),
        None => {
            let make = || {
                let mut file = fs::File::create_new(&path)?;
                file.write_all(change.after.as_bytes()).and_then(|()| file.sync_all())
            };
            make().map_err(|error| Failure::file("cannot write", &path, &error))
        }
    }
}
