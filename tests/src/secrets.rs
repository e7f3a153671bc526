//! Looks for passwords, their hashes and what the tenant keeps of them, where none may lie: the files of a deployment, everything
//! that its commands printed, what a lost process left behind. Each secret is looked for in every way of writing that somebody may
//! have used without noticing. Knows nothing of how the product works.

use crate::operator::Deployment;
use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// Shorter ones would be found by chance.
const SHORTEST: usize = 8;

/// Secrets in all their forms, and what was looked through so far.
pub struct Scan {
    forms: AhoCorasick,
    /// Whose secret it is, and how it is written; by the number of the form.
    names: Vec<(String, &'static str)>,
    secrets: usize,
    files: usize,
    texts: usize,
    bytes: usize,
    found: BTreeSet<String>,
}

/// Gathers secrets.
#[derive(Debug, Default)]
pub struct Secrets(Vec<(String, Vec<u8>, bool)>);

impl Secrets {
    /// A clear password, and the NT hash that follows from it.
    pub fn password(&mut self, whose: &str, password: &str) -> &mut Self {
        self.0.push((format!("the password of {whose}"), password.as_bytes().to_vec(), true));
        self.hash(whose, &nt_hash(password))
    }

    pub fn hash(&mut self, whose: &str, hash: &[u8; 16]) -> &mut Self {
        self.0.push((format!("the NT hash of {whose}"), hash.to_vec(), false));
        // MD4 is four little-endian words: printed as numbers they come out the other way round.
        let words: Vec<u8> = hash.chunks(4).flat_map(|word| word.iter().rev().copied()).collect();
        self.0.push((format!("the words of the NT hash of {whose}"), words, false));
        let backwards: Vec<u8> = hash.iter().rev().copied().collect();
        self.0.push((format!("the NT hash of {whose} backwards"), backwards, false));
        self
    }

    /// What the tenant keeps, as it was sent: `v1;PPH1_MD4,...`.
    pub fn credential(&mut self, whose: &str, text: &str) -> &mut Self {
        self.0.push((format!("the credential of {whose}"), text.as_bytes().to_vec(), true));
        let digits = text.trim_end_matches(';').rsplit(',').next().unwrap_or_default();
        self.0.push((format!("the derived key of {whose}"), digits.as_bytes().to_vec(), true));
        self
    }

    /// The beginning of everything that the tenant keeps of a password: no file of a deployment has reason to hold it.
    pub fn any_credential(&mut self) -> &mut Self {
        self.0.push(("a credential".to_owned(), b"PPH1_MD4,".to_vec(), true));
        self
    }

    pub fn scan(&self) -> Scan {
        let (mut forms, mut names) = (Vec::new(), Vec::new());
        for (name, secret, is_text) in &self.0 {
            for (how, form) in ways_of_writing(secret, *is_text) {
                assert!(form.len() >= SHORTEST, "{name} as {how} is too short to be looked for");
                forms.push(form);
                names.push((name.clone(), how));
            }
        }
        let forms = AhoCorasick::new(forms).expect("the forms fit into memory");
        let found = BTreeSet::new();
        Scan { forms, names, secrets: self.0.len(), files: 0, texts: 0, bytes: 0, found }
    }
}

/// MD4 of the password in UTF-16LE.
fn nt_hash(password: &str) -> [u8; 16] {
    use md4::Digest as _;
    md4::Md4::digest(wide(password, u16::to_le_bytes)).into()
}

fn wide(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything that a secret may be written as. Text itself may stand as UTF-8 or as UTF-16 of either order.
fn ways_of_writing(secret: &[u8], is_text: bool) -> Vec<(&'static str, Vec<u8>)> {
    let mut raws: Vec<(&'static str, Vec<u8>)> = vec![("raw bytes", secret.to_vec())];
    if let (true, Ok(text)) = (is_text, std::str::from_utf8(secret)) {
        raws.push(("UTF-16LE", wide(text, u16::to_le_bytes)));
        raws.push(("UTF-16BE", wide(text, u16::to_be_bytes)));
    }
    let mut texts: Vec<(&'static str, String)> = Vec::new();
    for (_, raw) in &raws {
        texts.push(("lower-case digits", hex(raw)));
        texts.push(("upper-case digits", hex(raw).to_uppercase()));
        texts.push((
            "digits with colons",
            hex(raw).as_bytes().chunks(2).map(String::from_utf8_lossy).collect::<Vec<_>>().join(":"),
        ));
        texts.push(("a list of numbers", format!("{raw:?}").trim_matches(['[', ']']).to_owned()));
        texts.push(("a list of numbers in JSON", raw.iter().map(u8::to_string).collect::<Vec<_>>().join(",")));
        texts.push(("escapes of JSON", raw.iter().map(|byte| format!("\\u{byte:04x}")).collect()));
        texts.push(("percent signs", raw.iter().map(|byte| format!("%{byte:02X}")).collect()));
        texts.push(("escaped bytes", raw.escape_ascii().to_string()));
        for (how, alphabet) in [("base64", &STANDARD), ("base64 of URLs", &URL_SAFE)] {
            texts.extend(base64_at_any_place(raw, alphabet).into_iter().map(|text| (how, text)));
        }
    }
    if let (true, Ok(text)) = (is_text, std::str::from_utf8(secret)) {
        let quoted = serde_json::to_string(text).expect("a text is JSON");
        texts.push(("text in JSON", quoted.trim_matches('"').to_owned()));
    }
    let mut forms = raws;
    for (how, text) in texts {
        // Digits and base64 are text themselves.
        forms.push((how, wide(&text, u16::to_le_bytes)));
        forms.push((how, wide(&text, u16::to_be_bytes)));
        forms.push((how, text.into_bytes()));
    }
    forms
}

/// In base64 the same bytes look different behind none, one or two others; what a neighbour has a part in is left out.
fn base64_at_any_place(raw: &[u8], alphabet: &base64::alphabet::Alphabet) -> Vec<String> {
    let engine = GeneralPurpose::new(alphabet, NO_PAD);
    let places = (0..3).map(|before| {
        let text = engine.encode([vec![0; before], raw.to_vec()].concat());
        let own = &text[(before * 8).div_ceil(6)..];
        let whole = (before + raw.len()).is_multiple_of(3);
        own[..own.len() - usize::from(!whole)].to_owned()
    });
    places.collect()
}

impl Scan {
    /// Every file below a folder but these, which hold secrets by their nature.
    pub fn folder(&mut self, folder: &Path, but: &[&str]) -> &mut Self {
        for entry in std::fs::read_dir(folder).expect("the folder is readable").flatten() {
            let path = entry.path();
            if but.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if path.is_dir() {
                self.folder(&path, but);
                continue;
            }
            let bytes = std::fs::read(&path).expect("the file is readable");
            self.files += 1;
            self.bytes(&path.display().to_string(), &bytes);
        }
        self
    }

    /// A deployment: its files, and all that its commands have printed.
    pub fn deployment(&mut self, deployment: &Deployment, but: &[&str]) -> &mut Self {
        self.folder(&deployment.folder, but);
        self.text("what the commands printed", deployment.said().as_bytes())
    }

    pub fn text(&mut self, name: &str, text: &[u8]) -> &mut Self {
        self.texts += 1;
        self.bytes(name, text);
        self
    }

    fn bytes(&mut self, place: &str, bytes: &[u8]) {
        self.bytes += bytes.len();
        for hit in self.forms.find_overlapping_iter_of(bytes) {
            let (name, how) = &self.names[hit];
            self.found.insert(format!("{name} as {how} in {place}"));
        }
    }

    pub fn found(&self) -> Vec<&str> {
        self.found.iter().map(String::as_str).collect()
    }

    /// Fails the test where a secret was found, or nothing was looked through.
    #[track_caller]
    pub fn expect_none(&self) {
        assert!(self.files > 0 && self.texts > 0, "{self}");
        assert!(self.found.is_empty(), "{self}:\n{}", self.found().join("\n"));
    }
}

trait Overlapping {
    fn find_overlapping_iter_of(&self, bytes: &[u8]) -> Vec<usize>;
}

impl Overlapping for AhoCorasick {
    /// The forms that stand in it, by their numbers.
    fn find_overlapping_iter_of(&self, bytes: &[u8]) -> Vec<usize> {
        self.find_overlapping_iter(bytes).map(|hit| hit.pattern().as_usize()).collect()
    }
}

impl fmt::Display for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} secrets in {} forms, looked for in {} files and {} texts of {} bytes: {} found",
            self.secrets,
            self.names.len(),
            self.files,
            self.texts,
            self.bytes,
            self.found.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test of the test: each form of each secret is found where it is planted, at any place, and nothing is found where it is not.
    #[test]
    fn every_form_is_found_where_it_was_planted() {
        let mut secrets = Secrets::default();
        secrets
            .password("ann", "Made-up \"1\" für Ann")
            .credential("ann", "v1;PPH1_MD4,0102030405060708090a,1000,00ff00ff00ff;")
            .any_credential();
        assert_eq!(hex(&nt_hash("Password1!")), "7facdc498ed1680c4fd1448319a8c04f", "the contract's own");
        let noise: Vec<u8> = (0..4_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut clean = secrets.scan();
        assert_eq!(clean.text("noise", &noise).found(), Vec::<&str>::new());
        assert!(clean.names.len() > 150, "{clean}");
        for (name, secret, is_text) in &secrets.0 {
            for (at, (how, form)) in ways_of_writing(secret, *is_text).into_iter().enumerate() {
                let mut planted = noise.clone();
                planted.splice(at..at, form);
                clean.found.clear();
                let found = clean.text("noise", &planted).found().join("\n");
                assert!(found.contains(&format!("{name} as {how}")), "{name} as {how}: {found}");
            }
        }
        // In base64 of something around it too, whatever it is shifted by.
        for before in 0..6 {
            let around = [vec![7; before], secrets.0[1].1.clone(), vec![9; 5]].concat();
            let written = base64::engine::general_purpose::STANDARD.encode(around);
            clean.found.clear();
            assert!(!clean.text("base64", written.as_bytes()).found().is_empty(), "{before}");
        }
    }
}
