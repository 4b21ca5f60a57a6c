//! Reading the members of a mapping by type, and noting every fault.

use std::cell::RefCell;

use super::node::{Kind, Member, Node};
use crate::protocol::Extra;

/// A fault whose position is not looked up yet.
#[derive(Debug)]
pub(super) struct UnplacedFault {
    /// As [`Node::at`].
    pub(super) at: usize,
    pub(super) field: String,
    pub(super) message: String,
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<UnplacedFault>>);

impl Faults {
    fn note(&self, at: usize, field: String, message: String) {
        self.0.borrow_mut().push(UnplacedFault { at, field, message });
    }

    /// In the order of the text.
    pub(super) fn into_sorted(self) -> Vec<UnplacedFault> {
        let mut faults = self.0.into_inner();
        faults.sort_by_key(|fault| fault.at);
        faults
    }
}

/// A value, or why it is faulty: the rest of a sentence that begins with the name of its field.
pub(super) type Read<T> = Result<T, String>;

/// A mapping of the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'n> {
    faults: &'n Faults,
    at: usize,
    /// Its name; none for the whole configuration.
    path: Option<&'static str>,
    members: &'n [Member],
}

impl<'n> Block<'n> {
    pub(super) fn root(node: &'n Node, faults: &'n Faults) -> Option<Self> {
        let message = match &node.kind {
            Kind::Map(members) => {
                return Some(Self {
                    faults,
                    at: node.at,
                    path: None,
                    members,
                });
            }
            Kind::Null => "the configuration is empty".to_owned(),
            _ => format!("the configuration must be a mapping of fields, not {}", shown(node)),
        };
        faults.note(node.at, String::new(), message);
        None
    }

    pub(super) fn members(&self) -> &'n [Member] {
        self.members
    }

    /// The members that have none of these names.
    pub(super) fn members_except(&self, known: &[&str]) -> impl Iterator<Item = &'n Member> {
        self.members
            .iter()
            .filter(|member| !known.contains(&member.name.as_str()))
    }

    /// Those members as JSON.
    pub(super) fn json_except(&self, known: &[&str]) -> Extra {
        self.members_except(known)
            .map(|member| (member.name.clone(), member.value.to_json()))
            .collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&'n Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Notes a fault of a member, or its absence.
    pub(super) fn note(&self, name: &str, message: impl Into<String>) {
        let at = self.get(name).map_or(self.at, |member| member.value.at);
        self.faults.note(at, self.path(name), message.into());
    }

    /// Notes a fault of a member's name.
    pub(super) fn note_name(&self, member: &Member, message: impl Into<String>) {
        self.faults.note(member.at, self.path(&member.name), message.into());
    }

    /// The value of a member, unless it is faulty.
    pub(super) fn value<T>(&self, member: &'n Member, read: impl FnOnce(&'n Node) -> Read<T>) -> Option<T> {
        let value = read(&member.value);
        let note = |message| self.faults.note(member.value.at, self.path(&member.name), message);
        value.map_err(note).ok()
    }

    pub(super) fn optional<T>(&self, name: &str, read: impl FnOnce(&'n Node) -> Read<T>) -> Option<T> {
        self.value(self.get(name)?, read)
    }

    /// `when` says what makes it required.
    pub(super) fn required<T>(&self, name: &str, when: &str, read: impl FnOnce(&'n Node) -> Read<T>) -> Option<T> {
        if self.get(name).is_none() {
            self.note(name, format!("is required{when}"));
        }
        self.optional(name, read)
    }

    /// A mapping below this one.
    pub(super) fn block(&self, name: &'static str) -> Option<Self> {
        let faults = self.faults;
        self.optional(name, |node| match &node.kind {
            Kind::Map(members) => Ok(Self {
                faults,
                at: node.at,
                path: Some(name),
                members,
            }),
            _ => Err(wrong("a mapping", node)),
        })
    }

    fn path(&self, name: &str) -> String {
        let name = if is_plain(name) { name.to_owned() } else { quoted(name) };
        match self.path {
            Some(path) => format!("{path}.{name}"),
            None => name,
        }
    }
}

fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

pub(super) fn text(node: &Node) -> Read<&str> {
    match &node.kind {
        Kind::Text(text) if text.is_empty() => Err("must not be empty".to_owned()),
        Kind::Text(text) => Ok(text),
        Kind::Null => Err(wrong("text", node)),
        _ => Err(format!(
            "{}; text that looks like something else stands in quotes",
            wrong("text", node)
        )),
    }
}

pub(super) fn boolean(node: &Node) -> Read<bool> {
    match node.kind {
        Kind::Bool(value) => Ok(value),
        _ => Err(wrong("true or false", node)),
    }
}

/// A whole number of at least `least`. A number with a fraction, even `.0`, is not whole.
pub(super) fn whole<T: TryFrom<i128>>(least: i128) -> impl Fn(&Node) -> Read<T> {
    move |node| match node.kind {
        Kind::Whole(value) if value < least => Err(format!("must be at least {least}, not {value}")),
        Kind::Whole(value) => T::try_from(value).map_err(|_| format!("is too large: {value}")),
        _ => Err(wrong(&format!("a whole number of at least {least}"), node)),
    }
}

/// A finite number, whole or not. The wire, being JSON, has no infinity.
#[expect(clippy::cast_precision_loss, reason = "a number of this kind is approximate")]
pub(super) fn number(node: &Node) -> Read<f64> {
    match node.kind {
        Kind::Whole(value) => Ok(value as f64),
        Kind::Real(value) if value.is_finite() => Ok(value),
        _ => Err(wrong("a finite number", node)),
    }
}

/// A number of seconds.
pub(super) fn seconds(node: &Node) -> Read<f64> {
    let seconds = number(node).map_err(|_| wrong("a number of seconds above 0", node))?;
    if seconds > 0.0 {
        return Ok(seconds);
    }
    Err(format!("must be above 0, not {}", shown(node)))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(known: &'static [(&'static str, T)]) -> impl Fn(&Node) -> Read<T> {
    move |node| {
        let chosen = known
            .iter()
            .find(|(word, _)| matches!(&node.kind, Kind::Text(text) if text == word));
        chosen.map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
            wrong(&either(&words), node)
        })
    }
}

fn either(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => words.concat(),
    }
}

fn wrong(wanted: &str, node: &Node) -> String {
    format!("must be {wanted}, not {}", shown(node))
}

/// A value in a few words, for messages.
pub(super) fn shown(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(value) => value.to_string(),
        Kind::Whole(value) => value.to_string(),
        // `{:?}` prints the `.0`, which is the fault.
        Kind::Real(value) => format!("{value:?}"),
        Kind::Text(text) => quoted(text),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a mapping".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
        None => format!("{text:?}"),
    }
}
