//! Changes the files of a folder whole or not at all: everything is kept first, then staging mode is switched on, and Connect mode
//! comes last; what goes wrong on the way is taken back. A process that is killed on the way leaves a folder in staging mode, by
//! whose mixed files nothing is exported; the command carries on from there.

use super::KEPT;
use super::plan::{Change, Plan};
use crate::failure::Failure;
use crate::files::{create, replace};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use sync_rules::CONFIGURATION_FILE;

/// One file from one text to another; None: it is not there yet.
struct Step<'p> {
    name: &'p str,
    before: Option<&'p str>,
    after: &'p str,
}

pub(super) fn change(folder: &Path, plan: &Plan) -> Result<(), Failure> {
    for change in &plan.changes {
        keep(folder, change)?;
    }
    let mut done: Vec<Step<'_>> = Vec::new();
    for step in steps(plan) {
        if let Err(failure) = step.write(folder) {
            for step in done.iter().rev() {
                step.take_back(folder)?;
            }
            let message = format!("nothing was changed: {}", failure.message);
            return Err(Failure { message, ..failure });
        }
        done.push(step);
    }
    Ok(())
}

fn steps(plan: &Plan) -> Vec<Step<'_>> {
    let mut first = None;
    let mut steps: Vec<Step<'_>> = plan.changes.iter().map(Step::of).collect();
    if let Some(last) = steps.iter_mut().find(|step| step.name == CONFIGURATION_FILE) {
        let staged = Some(plan.staged.as_str());
        first = Some(Step { name: last.name, before: last.before, after: &plan.staged });
        last.before = staged;
    }
    first.into_iter().chain(steps).filter(|step| step.before != Some(step.after)).collect()
}

impl<'p> Step<'p> {
    fn of(change: &'p Change) -> Self {
        Step { name: &change.name, before: change.before.as_deref(), after: &change.after }
    }

    fn write(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(self.name);
        match self.before {
            Some(before) => replace(&path, before, self.after),
            None => create(&path, self.after, &folder.join(CONFIGURATION_FILE))
                .map_err(|error| Failure::file("cannot write", &path, &error)),
        }
    }

    fn take_back(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(self.name);
        match self.before {
            Some(before) => replace(&path, self.after, before),
            None => fs::remove_file(&path).map_err(|error| Failure::file("cannot remove", &path, &error)),
        }
    }
}

/// The file as it is. One that was kept earlier, by a run that was killed or before another switch, stays, and this one lies
/// beside it with a number.
fn keep(folder: &Path, change: &Change) -> Result<(), Failure> {
    let Some(before) = &change.before else { return Ok(()) };
    let first = folder.join(KEPT).join(&change.name);
    let mut path = first.clone();
    for number in 2.. {
        match fs::read(&path) {
            Ok(kept) if kept == before.as_bytes() => return Ok(()),
            Ok(_) => path = numbered(&first, number),
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            Err(error) => return Err(Failure::file("cannot read", &path, &error)),
        }
    }
    let within = path.parent().unwrap_or(folder);
    let make = || fs::create_dir_all(within).and_then(|()| create(&path, before, &folder.join(&change.name)));
    make().map_err(|error| Failure::file("cannot keep", &path, &error))
}

/// `31-cloud-users.toml.2`
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use sync_rules::{ShippedOptions, shipped_rules, shipped_tests};

    const CONFIGURATION: &str = "[deployment]\nname = \"x\"\n\n[connector.cloud]\nkind = \"azure-ad\"\n\n\
        [connector.cloud.settings]\nmode = \"graph\"\n";

    /// A folder of Graph mode with the shipped rules and tests; the file of contacts is not there.
    fn graph_folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let (pair, options) = ([("ad", "cloud")], ShippedOptions::default());
        let shipped = shipped_rules(&pair, &options).into_iter().chain(shipped_tests(&pair, &options));
        let files = shipped.filter(|(name, _)| name != "rules/33-cloud-contacts.toml");
        for (name, text) in files.chain([(CONFIGURATION_FILE.to_owned(), CONFIGURATION.to_owned())]) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn plan(folder: &Path) -> Plan {
        Plan::read(folder, "cloud", &["ad"], "m-1").unwrap_or_else(|failure| panic!("{}", failure.text()))
    }

    fn switch(folder: &Path) {
        change(folder, &plan(folder)).unwrap_or_else(|failure| panic!("{}", failure.text()));
    }

    /// Texts by name.
    fn files(folder: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                    found.insert(name, fs::read_to_string(path).unwrap());
                }
            }
        }
        found
    }

    #[test]
    fn a_switch_that_is_killed_anywhere_exports_nothing_and_is_carried_on() {
        let whole = graph_folder();
        let before = files(whole.path());
        let count = steps(&plan(whole.path())).len();
        switch(whole.path());
        let wanted = files(whole.path());
        assert!(wanted[CONFIGURATION_FILE].contains("mode = \"connect\"") && count >= 6, "{count}");
        for killed_after in 0..=count {
            let folder = graph_folder();
            let plan = plan(folder.path());
            plan.changes.iter().for_each(|change| keep(folder.path(), change).unwrap_or_else(|_| panic!()));
            for step in steps(&plan).iter().take(killed_after) {
                step.write(folder.path()).unwrap_or_else(|failure| panic!("{}", failure.text()));
            }
            let now = files(folder.path());
            let rules_changed = before.iter().any(|(name, text)| name.starts_with("rules/") && now[name] != *text);
            assert!(!rules_changed || now[CONFIGURATION_FILE].contains("staging = true"), "{killed_after}");
            switch(folder.path());
            let mut carried_on = files(folder.path());
            if (1..count).contains(&killed_after) {
                let between = carried_on.remove("before-connect-mode/metasync.toml.2").unwrap();
                assert_eq!(between, now[CONFIGURATION_FILE], "{killed_after}");
            }
            assert_eq!(carried_on, wanted, "{killed_after}");
            for (name, text) in &before {
                let kept = carried_on.get(&format!("{KEPT}/{name}"));
                assert_eq!(kept.unwrap_or(&carried_on[name]), text, "{killed_after}: {name}");
            }
        }
    }

    /// Whoever went back to Graph mode and changed a rule finds that change after the next switch.
    #[test]
    fn files_of_an_earlier_switch_and_of_this_one_are_kept() {
        let folder = graph_folder();
        let before = files(folder.path());
        switch(folder.path());
        before.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
        let name = "rules/31-cloud-users.toml";
        let mine = format!("# mine\n{}", before[name]);
        fs::write(folder.path().join(name), &mine).unwrap();
        switch(folder.path());
        let kept = files(&folder.path().join(KEPT));
        assert_eq!((&kept[name], &kept[&format!("{name}.2")]), (&before[name], &mine));
        assert_eq!(kept.keys().filter(|name| name.ends_with(".2")).count(), 1);
    }

    #[test]
    fn what_goes_wrong_on_the_way_is_taken_back() {
        let folder = graph_folder();
        let plan = plan(folder.path());
        // Somebody writes the file that comes last before metasync.toml.
        let name = steps(&plan).iter().map(|step| step.name).rfind(|name| *name != CONFIGURATION_FILE);
        fs::write(folder.path().join(name.unwrap()), "# somebody else's\n").unwrap();
        let before = files(folder.path());
        let failure = change(folder.path(), &plan).unwrap_err();
        assert_eq!(failure.code, "changed-meanwhile");
        assert!(failure.message.starts_with("nothing was changed: "), "{}", failure.message);
        let mut after = files(folder.path());
        after.retain(|name, _| !name.starts_with(KEPT));
        assert_eq!(after, before);
    }
}
