//! Switching experiments: one request records the selection and answers with the page.

use std::sync::Arc;

use poem::endpoint::BoxEndpoint;
use poem::http::{Method, Uri};
use poem::session::Session;
use poem::web::Form;
use poem::{Endpoint, FromRequest, IntoResponse, Request, Response, Result, handler};
use serde::Deserialize;

use crate::web::auth::session;
use crate::web::fault::Fault;
use crate::web::request::{Context, PageScope, path_segment, see_other};
use crate::web::sections::same_section;
use crate::web::urls;

/// `POST /admin/experiments/clear-selection`: bare paths lead to the deployment's own choice again.
#[handler]
pub(crate) fn clear(context: &Context, session: &Session) -> Response {
    session::clear_selection(session);
    let location = format!("{}?selected=cleared", urls::experiments());
    // Where that page does not exist or the operator may not read it, the start page.
    let location = Some(location).filter(|_| context.console.stores.has_control_plane());
    let location = location.and_then(|location| context.role.link(location));
    let location = location.unwrap_or_else(|| urls::home().to_owned());
    context.htmx.redirect(&location)
}

#[derive(Debug, Default, Deserialize)]
struct Switch {
    #[serde(default)]
    next: String,
}

/// The routes, with the middleware that makes a request's context, from which a switch gets its page. In the request's
/// data.
#[derive(Clone)]
pub(crate) struct SwitchedPages(pub Arc<BoxEndpoint<'static>>);

/// `POST /admin/experiments/{E}/select`. A plain form is sent on with 303. htmx gets the page itself, drawn by the
/// page's own handler, so that a switch is one request either way.
pub(crate) struct Select;

impl Endpoint for Select {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let (mut request, mut body) = request.split();
        let context = <&Context>::from_request(&request, &mut body).await?;
        let Form(switch) = Form::<Switch>::from_request(&request, &mut body)
            .await
            .unwrap_or(Form(Switch::default()));
        let target = context.registered(&path_segment(&request, "experiment"))?;
        session::select(<&Session>::from_request(&request, &mut body).await?, &target);

        // A page that is not for this operator is replaced by the overview.
        let location = same_section(&switch.next, &target);
        let location = context.role.link(location).unwrap_or_else(|| urls::overview(&target));
        if !matches!(context.htmx.scope, PageScope::Main { .. }) {
            return Ok(see_other(&location));
        }
        let uri: Uri = location
            .parse()
            .map_err(|_| Fault::Internal("a switch led to no path".to_owned()))?;
        let SwitchedPages(pages) = request
            .data::<SwitchedPages>()
            .cloned()
            .ok_or_else(|| Fault::Internal("the pages are not in the request's data".to_owned()))?;
        request.set_method(Method::GET);
        *request.uri_mut() = uri;
        let mut response = pages.call(request).await?.into_response();
        if let Ok(pushed) = location.parse() {
            response.headers_mut().insert("hx-push-url", pushed);
        }
        Ok(response)
    }
}
