//! The row of the route table that a request matches, as far as the gate and the context need it.

use std::sync::Arc;

use poem::Request;

use crate::web::auth::Audience;
use crate::web::fault::Fault;
use crate::web::request::htmx::HtmxRequest;

/// What the route table says about a request. The outermost middleware puts it into the request's data.
#[derive(Debug)]
pub(crate) struct Target {
    /// Whether the table has the path, for any method.
    pub is_known: bool,
    /// Whether the request's context is made: for what shows it, and where administrators are told from others.
    pub needs_context: bool,
    /// Who may use the route.
    pub audience: Audience,
    /// Whether the request shows activity of the operator, which extends the session and keeps the experiment followed.
    /// Requests that an open page makes by itself, for its regions and its stream, do not.
    pub is_activity: bool,
    /// Whether the answer waits for the experiment's first list.
    pub waits_for_list: bool,
    /// How much of which page is wanted.
    pub htmx: HtmxRequest,
    /// The experiment's id as in the path, on routes below `/x/{E}/`. It may be malformed.
    pub experiment: Option<String>,
}

impl Target {
    /// The target of a request.
    ///
    /// # Errors
    /// [`Fault::Internal`] where no middleware has put it there.
    pub fn of(request: &Request) -> Result<&Arc<Self>, Fault> {
        let missing = || Fault::Internal("the request was not looked up in the route table".to_owned());
        request.data().ok_or_else(missing)
    }
}
