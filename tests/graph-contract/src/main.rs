//! Prints what the exchanges that tests kept in a folder covered of the contract; ends with 1 if one did not keep it, or if what was never sent is not what the table says.

use graph_contract::{Contract, Coverage, Reasons};
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
            let (contract, reasons) = (Contract::read(), Reasons::read());
            print!("{}", coverage.report(&contract, &reasons));
            let wrong = coverage.unexplained(&contract, &reasons);
            wrong.iter().for_each(|problem| println!("{problem}"));
            // Nothing at all means that nothing was watched.
            let nothing = coverage.calls.is_empty();
            ExitCode::from(u8::from(nothing || !coverage.mismatches.is_empty() || !wrong.is_empty()))
        }
        Err(error) => {
            eprintln!("{}: {error}", Path::new(&folder).display());
            ExitCode::from(2)
        }
    }
}
