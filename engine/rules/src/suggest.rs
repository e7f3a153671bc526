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
}
