//! What is typed on the page of a group.

use crate::protocol::{Group, GroupId, MemberId};
use crate::web::roster::input::{self, confirmation};
use crate::web::roster::roster::Roster;

/// What was typed to add a member, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct AddForm {
    pub member: String,
    pub member_error: Option<String>,
}

impl AddForm {
    /// The member to add to `group`, or the form with the fault beside its field.
    pub fn check(mut self, group: &GroupId, roster: Option<&Roster>) -> Result<(Self, MemberId), Self> {
        let member = match input::member(&self.member, roster) {
            Ok(member) => member,
            Err(fault) => {
                self.member_error = Some(format!("Not added: {fault}."));
                return Err(self);
            }
        };
        let inner = member.as_group();
        let would_contain_itself = inner.is_some_and(|inner| match roster {
            Some(roster) => roster.contains(&inner, group),
            None => inner == *group,
        });
        if would_contain_itself {
            return Err(self.cyclic());
        }
        Ok((self, member))
    }

    /// The form with the words for a member that contains the group.
    pub fn cyclic(mut self) -> Self {
        self.member_error =
            Some("Not added: this group is in that one, or is it, and would contain itself.".to_owned());
        self
    }
}

/// What was typed to delete the group, and what is wrong with it.
#[derive(Debug, Default)]
pub(crate) struct DeleteForm {
    pub confirm: String,
    pub confirm_error: Option<String>,
}

impl DeleteForm {
    /// Whether what was typed is what must be.
    pub fn check(mut self, group: Option<&Group>, id: &GroupId) -> Result<Self, Self> {
        let expected = confirmation(group.and_then(|group| group.name.as_ref()), id.as_str());
        if self.confirm.trim() == expected {
            return Ok(self);
        }
        self.confirm_error = Some(format!(
            "Type \u{201c}{expected}\u{201d} to confirm. Nothing was changed."
        ));
        Err(self)
    }
}
