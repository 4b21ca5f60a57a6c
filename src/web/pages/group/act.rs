//! Changing a group: adding and taking out members, and deleting it.

use poem::Response;

use super::view::{Typed, View};
use crate::client::{ClientError, RegistryClient};
use crate::protocol::{ErrorType, GroupId, MemberId};
use crate::web::request::{Context, see_other};
use crate::web::roster::graph::{Member, Roster};
use crate::web::roster::input::{self, MemberFault};
use crate::web::roster::request::RosterRequest;
use crate::web::upstream::Upstream;
use crate::web::urls;
use crate::web::write::{Act, Refusal, Submission};

/// What is changed.
pub(super) enum Change {
    /// The member that was typed is added.
    Add,
    /// A member is taken out.
    Remove(MemberId),
    /// The group is deleted.
    Delete,
}

/// A change of one group.
pub(super) struct ChangeGroup {
    pub request: RosterRequest,
    pub id: GroupId,
    /// The path that the form was submitted to.
    pub action: String,
    pub form: Typed,
    pub change: Change,
}

/// A change that can be sent.
pub(super) struct Checked {
    client: RegistryClient,
    write: Write,
}

enum Write {
    Add {
        member: MemberId,
        /// Nothing is registered under the id, as far as is known.
        is_dangling: bool,
    },
    Remove(MemberId),
    Delete,
}

impl ChangeGroup {
    /// The member to add, and whether nothing is registered under its id.
    fn member(&self, roster: Option<&Roster>) -> Result<Write, Refusal> {
        let not_added = |fault: MemberFault| Refusal::of_field("member_id", format!("Not added: {fault}."));
        let member = input::member(&self.form.member_id, roster).map_err(not_added)?;
        let is_cyclic = member.as_group().is_some_and(|inner| match roster {
            Some(roster) => roster.contains(&inner, &self.id),
            None => inner == self.id,
        });
        if is_cyclic {
            return Err(cyclic());
        }
        let is_dangling = roster.is_some_and(|roster| matches!(roster.member(&member), Member::Dangling));
        Ok(Write::Add { member, is_dangling })
    }

    /// A group that is gone already, perhaps by this very form, needs no confirmation: its page says that it is gone.
    fn confirmed(&self, roster: Option<&Roster>) -> Result<Write, Refusal> {
        let group = roster.and_then(|roster| roster.group(&self.id));
        if roster.is_none() || group.is_some() {
            let name = group.and_then(|group| group.name.as_ref());
            input::confirmed(&self.form.confirm, name, self.id.as_str())?;
        }
        Ok(Write::Delete)
    }
}

fn cyclic() -> Refusal {
    let words = "Not added: this group is in that one, or is it, and would contain itself.";
    Refusal::of_field("member_id", words)
}

impl Act for ChangeGroup {
    type Checked = Checked;
    type Done = ();

    const UPSTREAM: Upstream = Upstream::ControlPlane;
    const IS_IDEMPOTENT: bool = true;
    const ADVICE: &'static str = "What is there now stands below; look before you try again.";

    fn what_was_done(&self) -> &'static str {
        match self.change {
            Change::Add => "the member was added",
            Change::Remove(_) => "the member was taken out",
            Change::Delete => "the group was deleted",
        }
    }

    fn context(&self) -> &Context {
        &self.request.context
    }

    fn submission(&self) -> Submission<'_> {
        Submission {
            action: &self.action,
            request_id: &self.form.request_id,
            typed: match self.change {
                Change::Add => vec![&self.form.member_id],
                Change::Remove(_) | Change::Delete => vec![],
            },
        }
    }

    async fn check(&self) -> Result<Checked, Refusal> {
        let client = self.request.client()?;
        let roster = self.request.roster().await.ok();
        let write = match &self.change {
            Change::Add => self.member(roster.as_deref())?,
            Change::Remove(member) => Write::Remove(member.clone()),
            Change::Delete => self.confirmed(roster.as_deref())?,
        };
        Ok(Checked { client, write })
    }

    async fn send(&self, Checked { client, write }: &Checked) -> Result<(), ClientError> {
        match write {
            Write::Add { member, .. } => client.add_member(&self.id, member.clone()).await.map(drop),
            Write::Remove(member) => client.remove_member(&self.id, member).await.map(drop),
            Write::Delete => client.delete_group(&self.id).await,
        }
    }

    /// Each of the changes is idempotent, so what is there now tells whether it was carried out.
    async fn read_back(&self, Checked { client, write }: &Checked) -> Option<()> {
        let groups = client.groups().await.ok()?;
        let group = groups.iter().find(|group| group.group_id == self.id);
        let is_done = match write {
            Write::Add { member, .. } => group?.members.contains(member),
            Write::Remove(member) => !group?.members.contains(member),
            Write::Delete => group.is_none(),
        };
        is_done.then_some(())
    }

    fn after_send(&self) {
        self.request.forget_listing();
    }

    fn done_response(&self, checked: &Checked, _: &str) -> Response {
        let group = urls::group(&self.id);
        see_other(&match checked.write {
            Write::Add { is_dangling: true, .. } => format!("{group}?warn=added-dangling"),
            Write::Add { .. } => format!("{group}?ok=added"),
            Write::Remove(_) => format!("{group}?ok=removed"),
            Write::Delete => format!("{}?ok=deleted", urls::groups()),
        })
    }

    fn explain(&self, error: &ClientError) -> Option<Refusal> {
        (error.error_type() == Some(ErrorType::CycleDetected)).then(cyclic)
    }

    /// The group, with the forms as typed; without the group, the list that says so.
    async fn redraw(&self, refusal: Refusal) -> Response {
        let roster = self.request.roster().await;
        if roster.as_ref().is_ok_and(|roster| roster.group(&self.id).is_none()) {
            return see_other(&format!("{}?error=group-not-found", urls::groups()));
        }
        let page_url = urls::group(&self.id);
        let view = View {
            id: &self.id,
            roster: &roster,
            page_url: &page_url,
        };
        let page = view.page(&self.form, &refusal.faults).with_status(refusal.status);
        self.request.answer_write(page_url.clone(), page)
    }
}
