//! Form controls: a field has its label, hint and fault in one place.

use maud::{Markup, html};

/// Label, hint and fault of a control.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Field<'a> {
    /// The name in the form data, and the control's id.
    pub name: &'a str,
    /// The label.
    pub label: &'a str,
    /// What to enter.
    pub hint: Option<&'a str>,
    /// What is wrong with the submitted value, one fault per line.
    pub error: Option<&'a str>,
    /// Whether it must be filled.
    pub required: bool,
}

/// The kind of a one-line control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// Plain text.
    Text,
    /// Text that is not shown, and not offered to a password manager.
    Secret,
    /// Text that is not shown; a password manager may save it.
    Password,
    /// Text with suggestions, by the id of their `<datalist>`.
    Listed(&'static str),
}

/// Weight of a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Button {
    /// The main action; at most one per form.
    Primary,
    /// Anything else.
    Quiet,
    /// What cannot be undone.
    Danger,
}

impl Field<'_> {
    fn described_by(&self) -> Option<String> {
        let hint = self.hint.map(|_| format!("{}-hint", self.name));
        let error = self.error.map(|_| format!("{}-error", self.name));
        match (hint, error) {
            (Some(hint), Some(error)) => Some(format!("{error} {hint}")),
            (hint, error) => hint.or(error),
        }
    }

    fn invalid(&self) -> Option<&'static str> {
        self.error.map(|_| "true")
    }

    fn faults(&self, error: &str) -> Markup {
        let id = format!("{}-error", self.name);
        html! {
            @if error.contains('\n') {
                ul class="error" id=(id) { @for fault in error.lines() { li { (fault) } } }
            } @else { p class="error" id=(id) { (error) } }
        }
    }

    fn around(&self, control: &Markup) -> Markup {
        html! {
            div class="field" {
                label for=(self.name) { (self.label) @if !self.required { span class="optional" { " (optional)" } } }
                @if let Some(hint) = self.hint { p class="hint" id={ (self.name) "-hint" } { (hint) } }
                (control)
                @if let Some(error) = self.error { (self.faults(error)) }
            }
        }
    }
}

/// A one-line field.
pub(crate) fn field(field: &Field, input: Input, value: &str) -> Markup {
    let (kind, autocomplete, list) = match input {
        Input::Text => ("text", "off", None),
        Input::Secret => ("password", "off", None),
        Input::Password => ("password", "current-password", None),
        Input::Listed(list) => ("text", "off", Some(list)),
    };
    field.around(&html! {
        input id=(field.name) name=(field.name) type=(kind) value=(value) list=[list] required[field.required] autocomplete=(autocomplete)
            spellcheck="false" aria-describedby=[field.described_by()] aria-invalid=[field.invalid()];
    })
}

/// A field of many lines, in the monospace face.
pub(crate) fn textarea(field: &Field, rows: u32, value: &str) -> Markup {
    field.around(&html! {
        textarea id=(field.name) name=(field.name) rows=(rows) required[field.required] autocomplete="off"
            spellcheck="false" aria-describedby=[field.described_by()] aria-invalid=[field.invalid()] {
            // The parser drops one leading line break, so that one of the value's own survives.
            "\n" (value)
        }
    })
}

/// A file to upload; `accept` as in HTML. The form needs `enctype="multipart/form-data"` and `hx-boost="false"`.
pub(crate) fn file_field(field: &Field, accept: &str) -> Markup {
    field.around(&html! {
        input id=(field.name) name=(field.name) type="file" accept=(accept) required[field.required]
            aria-describedby=[field.described_by()] aria-invalid=[field.invalid()];
    })
}

/// A button that submits its form.
pub(crate) fn button(weight: Button, label: &str) -> Markup {
    let class = match weight {
        Button::Primary => "button button-primary",
        Button::Quiet => "button",
        Button::Danger => "button button-danger",
    };
    html! { button type="submit" class=(class) { (label) } }
}
