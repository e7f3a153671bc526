//! Prints what the exchanges that tests kept in a folder covered of the contract; ends with 1 if one did not keep it.

use graph_contract::{Contract, Coverage};
use std::path::Path;
use std::process::ExitCode;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the report is what this program is for")]
fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("graph-contract FOLDER: the folder that GRAPH_CONTRACT_COVERAGE named");
        return ExitCode::from(2);
    };
    match Coverage::read(Path::new(&folder)) {
        Ok(coverage) => {
            print!("{}", coverage.report(&Contract::read()));
            // Nothing at all means that nothing was watched.
            ExitCode::from(u8::from(!coverage.mismatches.is_empty() || coverage.calls.is_empty()))
        }
        Err(error) => {
            eprintln!("{}: {error}", Path::new(&folder).display());
            ExitCode::from(2)
        }
    }
}
