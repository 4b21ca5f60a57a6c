//! Switching: one request records the selection and brings the page.

use poem::http::{Method, Uri};
use poem::session::Session;
use poem::web::Form;
use poem::{Endpoint, FromRequest, IntoResponse, Request, Response, Result, handler};
use serde::Deserialize;

use crate::web::auth::session;
use crate::web::fault::{Fault, PageError};
use crate::web::parts::switching::same_kind;
use crate::web::request::context::Context;
use crate::web::request::htmx::{Frame, Want, see_other};
use crate::web::urls;

/// `POST /admin/experiments/clear-selection`: bare paths lead to the deployment's own choice again.
#[handler]
pub(crate) fn clear(context: Context, session: &Session) -> Response {
    session::clear_selection(session);
    let told = format!("{}?selected=cleared", urls::experiments());
    // Where there is no such page, or it is not for them, home is.
    let told = Some(told).filter(|_| context.console.stores.has_control_plane());
    let location = told.and_then(|told| context.role.link(told));
    let location = location.unwrap_or_else(|| urls::home().to_owned());
    context.frame.redirect(&location)
}

#[derive(Debug, Default, Deserialize)]
struct Switch {
    #[serde(default)]
    next: String,
}

/// `POST /admin/experiments/{E}/select`. A plain form is sent on with 303; htmx gets the page itself, drawn
/// by the page's own handler, so that a switch is one request either way the browser counts.
pub(crate) struct Select<P> {
    pages: P,
}

impl<P> Select<P> {
    pub fn new(pages: P) -> Self {
        Self { pages }
    }
}

impl<P: Endpoint> Endpoint for Select<P> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let (mut request, mut body) = request.split();
        let context = Context::from_request(&request, &mut body).await?;
        let Form(switch) = Form::<Switch>::from_request(&request, &mut body)
            .await
            .unwrap_or(Form(Switch::default()));
        let target = context.registered(request.raw_path_param("experiment").unwrap_or_default())?;
        session::select(<&Session>::from_request(&request, &mut body).await?, &target);

        // A page that is not for them is no page to lead them to.
        let location = same_kind(&switch.next, &target);
        let location = context.role.link(location).unwrap_or_else(|| urls::overview(&target));
        if !matches!(Frame::of(&request).want, Want::Main { .. }) {
            return Ok(see_other(&location));
        }
        let uri: Uri = location
            .parse()
            .map_err(|_| PageError::new(Fault::Internal("a switch led to no path".into())))?;
        request.set_method(Method::GET);
        *request.uri_mut() = uri;
        let mut response = self.pages.call(request).await?.into_response();
        if let Ok(pushed) = location.parse() {
            response.headers_mut().insert("hx-push-url", pushed);
        }
        Ok(response)
    }
}
