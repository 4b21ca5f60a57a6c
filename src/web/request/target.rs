//! Which row of the route table a request is for: what the gate and the context need to know of it.

use poem::Request;

use crate::web::auth::audience::Audience;
use crate::web::fault::Fault;

/// What the route table says of a request. Middleware puts it into the request's data before anything else looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Who may use the route.
    pub audience: Audience,
    /// Whether the operator did something. A session lasts longer by it, and an experiment stays followed; what a page
    /// asks for by itself, its regions and its stream, goes on when nobody sits in front of it.
    pub is_activity: bool,
    /// Whether the answer waits until the experiment has been listed for the first time.
    pub waits_for_list: bool,
    /// The experiment's id as the path names it, on routes below `/x/{E}/`. It may not be well-formed.
    pub experiment: Option<String>,
}

impl Target {
    /// The target of a request.
    ///
    /// # Errors
    /// [`Fault::Internal`] where no middleware has put one there.
    pub fn of(request: &Request) -> Result<&Self, Fault> {
        let missing = || Fault::Internal("the request was not looked up in the route table".to_owned());
        request.data().ok_or_else(missing)
    }
}
