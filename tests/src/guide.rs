//! A guide whose console blocks run: reads the blocks of a Markdown page, carries their commands out in one shell, in order, and
//! compares what is shown with what is printed. Decides nothing about the product; a block that cannot run has to say so.
//!
//! In a block that is opened by ```` ```console ````
//!
//! - a line that begins with `$ ` is a command, lines after it that begin with `> ` continue it;
//! - the lines after it are its answer: what goes to stdout, or to stderr where stdout stays empty;
//! - `...` alone on a line stands for any number of lines that are left out;
//! - `[exit 3]` ends the answer of a command with another exit code than 0.
//!
//! ```` ```console second terminal ```` is one command that goes on beside the others; its answer, with stderr, may be completed by what the
//! next block does. ```` ```console not run ```` is only shown. Ids, digests and sign-in codes may differ from run to run: where the page
//! shows one, any other is taken, and stands for it in all that follows, commands too. Times, dates and durations may be any.
//! Runs of spaces count as one.

mod answer;
mod shell;

pub use answer::Names;
use shell::{Beside, Shell};
use std::path::Path;

/// How a block is to be treated, by the words behind ` ```console `.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Run,
    SecondTerminal,
    NotRun,
}

/// A command and what the page shows of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Number of the command's line in the page, from 1.
    pub line: usize,
    pub command: String,
    pub answer: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub kind: Kind,
    pub steps: Vec<Step>,
}

/// The console blocks of a page.
///
/// # Panics
/// Where the page is not understood: an unknown word behind `console`, a block without a command, one that does not end.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut lines = page.lines().enumerate();
    let mut blocks = Vec::new();
    while let Some((at, line)) = lines.next() {
        let Some(opened) = line.strip_prefix("```") else { continue };
        let inside: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
        let kind = match opened.strip_prefix("console").map(str::trim) {
            None => continue,
            Some("") => Kind::Run,
            Some("second terminal") => Kind::SecondTerminal,
            Some("not run") => Kind::NotRun,
            Some(other) => panic!("line {}: ```console {other}: what is that?", at + 1),
        };
        blocks.push(Block { kind, steps: steps(at, &inside) });
    }
    blocks
}

fn steps(opened: usize, inside: &[(usize, &str)]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (at, line) in inside {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { line: at + 1, command: command.to_owned(), answer: Vec::new() });
            continue;
        }
        let step = steps.last_mut().unwrap_or_else(|| panic!("line {}: an answer without a command", at + 1));
        match line.strip_prefix("> ").filter(|_| step.answer.is_empty()) {
            Some(more) => {
                step.command.push('\n');
                step.command.push_str(more);
            }
            None => step.answer.push((*line).to_owned()),
        }
    }
    assert!(!steps.is_empty(), "line {}: a block without a command", opened + 1);
    steps
}

/// What a run of the page came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Commands that were carried out.
    pub commands: usize,
    /// Line of the command, and how its answer differs.
    pub differences: Vec<(usize, String)>,
    /// The page with the answers that were given.
    pub page: String,
}

/// Carries out the page in `folder`, with the folder of the executable first on the path. `names` knows what stands in the page
/// for something that differs here from the beginning on (a port, a folder).
pub fn carry_out(page: &str, folder: &Path, names: Names) -> Outcome {
    let mut run = Run {
        shell: Shell::start(folder),
        names,
        outcome: Outcome::default(),
        answers: Vec::new(),
        beside: Vec::new(),
    };
    for block in blocks(page) {
        match block.kind {
            Kind::NotRun => {}
            Kind::Run => run.block(&block),
            Kind::SecondTerminal => run.start_beside(block),
        }
    }
    run.complete_beside();
    let mut outcome = run.outcome;
    outcome.page = with_answers(page, &run.answers);
    outcome
}

struct Run {
    shell: Shell,
    names: Names,
    outcome: Outcome,
    /// Line of the command, and the answer to stand there instead.
    answers: Vec<(usize, Vec<String>)>,
    /// What goes on in a second terminal, with its step while that is not judged; the others only live on.
    beside: Vec<(Beside, Option<Step>)>,
}

impl Run {
    fn block(&mut self, block: &Block) {
        for step in &block.steps {
            let given = self.shell.answer(&self.names.said_here(&step.command));
            self.judge(step, &given);
        }
        self.complete_beside();
    }

    fn start_beside(&mut self, block: Block) {
        let [step] =
            <[Step; 1]>::try_from(block.steps).unwrap_or_else(|steps| panic!("{} commands beside", steps.len()));
        let mut beside = Beside::start(&self.shell, &self.names.said_here(&step.command));
        let first = beside.first_words();
        // Only to learn what its first words name; all of it is judged when it is complete.
        self.names.learn(&step.answer, &first);
        self.beside.push((beside, Some(step)));
    }

    fn complete_beside(&mut self) {
        let mut beside = std::mem::take(&mut self.beside);
        for (beside, step) in &mut beside {
            if let Some(step) = step.take() {
                let given = beside.words(|given| self.names.clone().compare(&step.answer, given).is_ok());
                self.judge(&step, &given);
            }
        }
        self.beside = beside;
    }

    fn judge(&mut self, step: &Step, given: &[String]) {
        self.outcome.commands += 1;
        if let Err(difference) = self.names.compare(&step.answer, given) {
            self.names.learn(&step.answer, given);
            self.outcome.differences.push((step.line, format!("$ {}\n{difference}", step.command)));
            let answer = given.iter().map(|line| self.names.said_in_page(line)).collect();
            self.answers.push((step.line, answer));
        }
    }
}

/// The page with other answers behind some commands.
fn with_answers(page: &str, answers: &[(usize, Vec<String>)]) -> String {
    let mut text = String::new();
    let mut lines = page.lines().enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        text.push_str(line);
        text.push('\n');
        let Some((_, answer)) = answers.iter().find(|(command, _)| *command == at + 1) else { continue };
        while let Some((_, more)) = lines.next_if(|(_, line)| line.starts_with("> ")) {
            text.push_str(more);
            text.push('\n');
        }
        while lines.next_if(|(_, line)| !line.starts_with("$ ") && *line != "```").is_some() {}
        answer.iter().for_each(|line| {
            text.push_str(line);
            text.push('\n');
        });
    }
    text
}
