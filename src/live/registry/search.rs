//! Looks experiments up by a part of their name or id, whatever the case.

use std::sync::Arc;

use super::row::RegistryRow;
use super::view::RegistryView;

/// No name or id has more bytes: a name has at most 128 characters (`ch02 §1.7`). Longer text is looked for nowhere.
const MAX_BYTES: usize = 1024;
/// How every experiment id begins.
const ID_PREFIX: &str = "exp_";

/// What an operator typed to find experiments: not empty, without white space around it, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText(String);

/// How well an experiment matches. The better comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchRank {
    /// Its name or id is the text.
    Whole,
    /// Its name or id begins with the text.
    Prefix,
    /// Its name or id contains the text.
    Substring,
}

/// The experiments that match.
#[derive(Debug, Default)]
pub struct Matches {
    /// The best of them: by rank, then newest first.
    pub rows: Vec<Arc<RegistryRow>>,
    /// How many there are in all.
    pub total: usize,
}

impl SearchText {
    /// The text as typed; none where nothing but white space was.
    pub fn parse(typed: &str) -> Option<Self> {
        let text = typed.trim().to_lowercase();
        (!text.is_empty()).then_some(Self(text))
    }

    /// How well an experiment matches, if it does.
    pub fn rank(&self, row: &RegistryRow) -> Option<MatchRank> {
        let id = row.id.as_str();
        let of_id = [Some(id), id.strip_prefix(ID_PREFIX)];
        let of_name = row.name().and_then(|name| self.rank_in(&name.to_lowercase()));
        let ranks = of_id.into_iter().flatten().map(|id| self.rank_in(id)).chain([of_name]);
        ranks.flatten().min()
    }

    fn rank_in(&self, text: &str) -> Option<MatchRank> {
        match text.find(&self.0)? {
            0 if text.len() == self.0.len() => Some(MatchRank::Whole),
            0 => Some(MatchRank::Prefix),
            _ => Some(MatchRank::Substring),
        }
    }
}

impl RegistryView {
    /// The experiments that match a text, the best `limit` of them. It reads every name once.
    pub fn search(&self, text: &SearchText, limit: usize) -> Matches {
        let mut found = Matches::default();
        if text.0.len() > MAX_BYTES {
            return found;
        }
        let mut by_rank = [Vec::new(), Vec::new(), Vec::new()];
        for row in self.rows.values().rev() {
            let Some(rank) = text.rank(row) else { continue };
            found.total += 1;
            let of_rank = &mut by_rank[rank as usize];
            if of_rank.len() < limit {
                of_rank.push(row.clone());
            }
        }
        found.rows = by_rank.into_iter().flatten().take(limit).collect();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::CredentialState;
    use crate::live::freshness::Freshness;
    use crate::live::registry::Hosting;
    use crate::protocol::RegistryEntry;

    fn view(names: &[&str]) -> RegistryView {
        let mut view = RegistryView::new(Freshness::CatchingUp);
        for (n, name) in names.iter().enumerate() {
            let entry: RegistryEntry = serde_json::from_value(serde_json::json!({
                "experiment_id": format!("exp_{n:026}"),
                "name": name,
                "config_uri": "file:///experiment.yaml",
                "created_at": "2026-01-02T03:04:05Z",
                "last_known_state": "running",
                "lease": null,
            }))
            .expect("an entry");
            let id = entry.experiment_id.clone();
            let row = RegistryRow::unregistered(id, Hosting::NotHosted, CredentialState::Stored);
            view.insert(RegistryRow {
                entry: Some(entry),
                ..row
            });
        }
        view
    }

    fn found(names: &[&str], typed: &str, limit: usize) -> (Vec<String>, usize) {
        let matches = view(names).search(&SearchText::parse(typed).expect("a text"), limit);
        let names = matches.rows.iter().filter_map(|row| row.name().map(str::to_owned));
        (names.collect(), matches.total)
    }

    #[test]
    fn a_prefix_goes_before_a_substring_and_the_newest_before_the_older() {
        let names = ["beta", "Alphabetas", "BETA", "the beta test", "betamax"];
        let (found, total) = found(&names, " BeTa ", 9);
        assert_eq!(found, ["BETA", "beta", "betamax", "the beta test", "Alphabetas"]);
        assert_eq!(total, 5);
    }

    #[test]
    fn matches_beyond_the_limit_are_counted() {
        let names = ["xa", "ab", "xab", "abc"];
        assert_eq!(found(&names, "ab", 2), (vec!["ab".to_owned(), "abc".to_owned()], 3));
        assert_eq!(found(&names, "zz", 2), (vec![], 0));
    }

    #[test]
    fn an_id_is_found_with_its_prefix_and_without() {
        let names = ["one", "two"];
        assert_eq!(found(&names, "EXP_00000000000000000000000001", 9).0, ["two"]);
        assert_eq!(found(&names, "0000000000000000000000000", 9).1, 2);
        assert_eq!(found(&names, "01", 9).0, ["two"]);
    }

    #[test]
    fn text_that_is_too_long_or_empty_finds_nothing() {
        let long = "x".repeat(128);
        assert_eq!(found(&[&long], &long, 9).1, 1);
        assert_eq!(found(&[&long], &long.repeat(100), 9).1, 0);
        assert_eq!(SearchText::parse(" \t"), None);
    }
}
