//! "Did you mean": the nearest known name to a misspelt one. Never replaces a name by itself.

/// The known name closest to `wrong`, when it is close enough to be a likely slip.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong_lower: Vec<char> = wrong.to_lowercase().chars().take(64).collect();
    known
        .into_iter()
        .map(|name| {
            let name_lower: Vec<char> = name.to_lowercase().chars().take(64).collect();
            (distance(&wrong_lower, &name_lower), name)
        })
        .filter(|(distance, name)| *distance <= ((name.chars().count().min(wrong_lower.len()) + 1) / 3).max(1))
        .filter(|(distance, _)| *distance < wrong_lower.len().max(1))
        .min_by_key(|(distance, name)| (*distance, name.len()))
        .map(|(_, name)| name)
}

/// A help line: the nearest name, or the list of what there is.
pub(crate) fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(wrong, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            let names: Vec<&str> = known.into_iter().collect();
            if names.is_empty() {
                "there are none to choose from".to_owned()
            } else if names.len() <= 24 {
                format!("known: {}", names.join(", "))
            } else {
                format!("there are {} to choose from; none is similar", names.len())
            }
        }
    }
}

/// Edits (insert, delete, replace, swap of neighbours) that lead from one name to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, left) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, right) in to.iter().enumerate() {
            let cost = usize::from(left != right);
            let mut best = (last[column] + cost).min(last[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && from[row - 1] == *right && to[column - 1] == *left;
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["Trim", "LTrim", "IsPresent", "IIF"];
        assert_eq!(nearest("isPresent", known), Some("IsPresent"));
        assert_eq!(nearest("Tirm", known), Some("Trim"));
        assert_eq!(nearest("IsPresnt", known), Some("IsPresent"));
        assert_eq!(nearest("Thumbprint", known), None);
        assert_eq!(nearest("", known), None);
    }

    /// Inserting, deleting and replacing a letter is one edit each, and so is a swap of neighbours.
    #[test]
    fn edits_are_counted() {
        for (from, to, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("abc", "abcd", 1),
            ("abc", "bc", 1),
            ("abc", "axc", 1),
            ("abcd", "abdc", 1),
            ("abcd", "badc", 2),
            ("abc", "cab", 2),
            ("abc", "xyz", 3),
            ("abcdef", "azced", 3),
            ("smtp", "stmp", 1),
            ("aab", "aba", 1),
        ] {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(distance(&characters(from), &characters(to)), edits, "{from} {to}");
            assert_eq!(distance(&characters(to), &characters(from)), edits, "{to} {from}");
        }
    }

    /// A third of the letters may be wrong, one always; what has no letter in common is nobody. The nearest wins, then the shortest.
    #[test]
    fn how_near_is_near_enough() {
        let one = |wrong: &str, known: &'static str| nearest(wrong, [known]).is_some();
        assert!(
            one("IF", "IIF") && one("ab", "b") && !one("b", "ab"),
            "one edit is always forgiven, unless nothing is left"
        );
        assert!(!one("a", "b") && one("ac", "bc"));
        assert!(one("abcde", "abcxy") && !one("abcde", "abxyz"), "two of five, not three");
        assert!(one("abcdefgh", "abcdexyz") && !one("abcdefgh", "abcdwxyz"), "three of eight, not four");
        assert!(one("abcdefgh", "abcdef") && !one("abcdefghi", "abcdef"), "the shorter name counts");
        assert_eq!(nearest("displayNam", ["displayName2", "displayName", "display"]), Some("displayName"));
        assert_eq!(nearest("mai", ["mail2x", "mails", "mail", "main2"]), Some("mail"));
        assert_eq!(nearest("abx", ["abcd", "abc"]), Some("abc"));
    }

    #[test]
    fn what_there_is_is_listed_while_it_is_readable() {
        let names: Vec<String> = (0..25).map(|number| format!("name{number:02}")).collect();
        let help = |count: usize| did_you_mean("zzzzzz", names[..count].iter().map(String::as_str));
        assert_eq!(help(0), "there are none to choose from");
        assert_eq!(help(2), "known: name00, name01");
        assert!(help(24).starts_with("known: ") && help(24).ends_with(", name23"));
        assert_eq!(help(25), "there are 25 to choose from; none is similar");
        assert_eq!(did_you_mean("nam01", names.iter().map(String::as_str)), "did you mean `name01`?");
    }
}
