//! Parsing of form fields: names, labels, members, confirmations.

use std::collections::BTreeMap;

use crate::protocol::{DisplayName, MemberId, NameError};
use crate::web::roster::graph::Roster;
use crate::web::write::Refusal;

/// A fault in a text of several lines; lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Line {line}: {fault}.")]
pub(crate) struct LineFault<F: std::error::Error + 'static> {
    pub line: usize,
    pub fault: F,
}

/// Why a line is not a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LabelFault {
    #[error("a label is written key=value")]
    NoEquals,
    #[error("a key has 1 to 64 characters")]
    Key,
    #[error("a value has at most 256 characters")]
    Value,
    #[error("line {0} has the same key")]
    Twice(usize),
}

/// Why a text does not name a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MemberFault {
    #[error("a member is named by its id (wkr_… or grp_…), or by a name that only one worker or group has")]
    Nothing,
    #[error("{0} workers and groups have this name; give the id")]
    Several(usize),
    #[error("names cannot be looked up now; give the id")]
    Unread,
}

/// A display name; none for empty text.
pub(crate) fn name(text: &str) -> Result<Option<String>, NameError> {
    match text {
        "" => Ok(None),
        text => DisplayName::parse(text).map(|name| Some(name.as_str().to_owned())),
    }
}

/// The lines that are neither empty nor comments, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let trimmed = (1..).zip(text.lines().map(str::trim));
    trimmed.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Labels, one `key=value` per line.
pub(crate) fn labels(text: &str) -> Result<BTreeMap<String, String>, LineFault<LabelFault>> {
    let mut labels: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for (line, label) in lines(text) {
        let at = |fault| LineFault { line, fault };
        let (key, value) = label.split_once('=').ok_or(at(LabelFault::NoEquals))?;
        let (key, value) = (key.trim(), value.trim());
        if !(1..=64).contains(&key.chars().count()) {
            return Err(at(LabelFault::Key));
        }
        if value.chars().count() > 256 {
            return Err(at(LabelFault::Value));
        }
        if let Some((first, _)) = labels.insert(key.to_owned(), (line, value.to_owned())) {
            return Err(at(LabelFault::Twice(first)));
        }
    }
    Ok(labels.into_iter().map(|(key, (_, value))| (key, value)).collect())
}

/// A member by its id, registered or not, or by a name that only one worker or group has.
pub(crate) fn member(text: &str, roster: Option<&Roster>) -> Result<MemberId, MemberFault> {
    let text = text.trim();
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let roster = roster.ok_or(MemberFault::Unread)?;
    let workers = roster
        .workers_named(text)
        .map(|worker| MemberId::from(&worker.worker_id));
    let groups = roster.groups_named(text).map(|group| MemberId::from(&group.group_id));
    let mut named = workers.chain(groups);
    match (named.next(), named.count()) {
        (None, _) => Err(MemberFault::Nothing),
        (Some(id), 0) => Ok(id),
        (Some(_), more) => Err(MemberFault::Several(more + 1)),
    }
}

/// Members, one per line, without duplicates.
pub(crate) fn members(text: &str, roster: Option<&Roster>) -> Result<Vec<MemberId>, LineFault<MemberFault>> {
    let mut members = Vec::new();
    for (line, text) in lines(text) {
        let id = member(text, roster).map_err(|fault| LineFault { line, fault })?;
        if !members.contains(&id) {
            members.push(id);
        }
    }
    Ok(members)
}

/// The text to type as a confirmation: a short ASCII name, else the last six characters of the id.
pub(crate) fn confirmation<'a>(name: Option<&'a DisplayName>, id: &'a str) -> &'a str {
    let plain = |name: &&str| name.len() <= 40 && name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let name = name.map(DisplayName::as_str).filter(plain);
    name.unwrap_or_else(|| id.get(id.len().saturating_sub(6)..).unwrap_or(id))
}

/// Checks the typed confirmation of an act on `id`.
///
/// # Errors
/// A refusal that says what has to be typed.
pub(crate) fn confirmed(typed: &str, name: Option<&DisplayName>, id: &str) -> Result<(), Refusal> {
    let expected = confirmation(name, id);
    if typed.trim() == expected {
        return Ok(());
    }
    let words = format!("Type \u{201c}{expected}\u{201d} to confirm. Nothing was changed.");
    Err(Refusal::of_field("confirm", words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_parsed_by_line_and_faults_have_line_numbers() {
        let good = labels("# a comment\r\n\r\n team = blue \r\nurl=http://x/?a=b\nempty=").expect("labels");
        let pairs: Vec<_> = good.iter().map(|(key, value)| format!("{key}>{value}")).collect();
        assert_eq!(pairs, ["empty>", "team>blue", "url>http://x/?a=b"]);
        let fault = |text: &str| labels(text).expect_err("a fault");
        assert_eq!(
            fault("a=b\n\n#\nnonsense"),
            LineFault {
                line: 4,
                fault: LabelFault::NoEquals
            }
        );
        assert_eq!(
            fault(" =b"),
            LineFault {
                line: 1,
                fault: LabelFault::Key
            }
        );
        assert_eq!(fault(&format!("{}=b", "é".repeat(65))).fault, LabelFault::Key);
        assert!(labels(&format!("{}={}", "é".repeat(64), "é".repeat(256))).is_ok());
        assert_eq!(fault(&format!("a={}", "é".repeat(257))).fault, LabelFault::Value);
        assert_eq!(fault("a=1\nb=2\na=3").to_string(), "Line 3: line 1 has the same key.");
    }

    #[test]
    fn members_are_parsed_by_line() {
        let (one, two) = (format!("wkr_{}", "0".repeat(26)), format!("grp_{}", "1".repeat(26)));
        let good = members(&format!("{one}\n# no\n  {two}\r\n{one}"), None).expect("members");
        assert_eq!(
            good.iter().map(MemberId::as_str).collect::<Vec<_>>(),
            [one.as_str(), two.as_str()]
        );
        let fault = members(&format!("{one}\nada"), None).expect_err("a fault");
        assert_eq!((fault.line, fault.fault), (2, MemberFault::Unread));
        let roster = Roster::new(vec![], vec![]);
        assert_eq!(member("ada", Some(&roster)), Err(MemberFault::Nothing));
        assert_eq!(
            member("exp_00000000000000000000000000", Some(&roster)),
            Err(MemberFault::Nothing)
        );
    }

    #[test]
    fn the_confirmation_can_be_typed_on_any_keyboard() {
        let id = "wkr_0000000000000000000000abcd";
        let of = |name: &str| confirmation(Some(&DisplayName::parse(name).expect("a name")), id).to_owned();
        assert_eq!(of("admins"), "admins");
        assert_eq!(of("Ångström"), "00abcd");
        assert_eq!(confirmation(None, id), "00abcd");
    }
}
