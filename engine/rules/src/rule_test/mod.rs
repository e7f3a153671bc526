//! The operator's rule tests, `tests/*.toml`: given objects, and what must become of them. Reads and checks the texts,
//! with every mistake at once; carries no test out.

mod expect;
mod model;
mod read;
mod values;

#[cfg(test)]
mod tests;

pub use model::{
    Expectation, ExpectedAttribute, ExpectedExport, ExpectedOperation, ExpectedValue, ExpectedValues, GivenChange,
    GivenObject, GivenReference, GivenValues, Placed, RuleTest, TestFile, TestStep,
};
pub use read::{LoadedTests, load_tests};
pub use values::binary_from_text;

/// The folder of the operator's rule tests in a deployment folder.
pub const TESTS_FOLDER: &str = "tests";
