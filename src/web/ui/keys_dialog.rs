//! The dialog that lists the keyboard shortcuts.

use maud::{Markup, html};

use crate::web::auth::Audience;
use crate::web::sections::Section;

/// The dialog that lists the keyboard shortcuts, without those of sections that the operator may not read.
pub(super) fn keys_dialog(may_read: bool) -> Markup {
    let switch = [
        (vec!["s".to_owned()], "Switch experiment".to_owned()),
        (
            vec!["Ctrl K".to_owned(), "\u{2318} K".to_owned()],
            "Switch experiment, from anywhere".to_owned(),
        ),
    ];
    let sections = Section::ALL.iter().copied().filter_map(|section| {
        let info = section.info();
        let is_shown = may_read || info.audience != Audience::Administrator;
        let article = if section == Section::Overview { "the " } else { "" };
        let does = format!("Go to {article}{}", info.label.to_lowercase());
        is_shown.then_some((vec![format!("g {}", info.key?)], does))
    });
    let help = (vec!["?".to_owned()], "Show these keys".to_owned());
    let keys: Vec<_> = switch.into_iter().chain(sections).chain([help]).collect();
    html! {
        dialog id="keys" class="dialog" aria-labelledby="keys-title" {
            form method="dialog" {
                h2 id="keys-title" { "Keys" }
                dl {
                    @for (keys, does) in &keys {
                        dt { @for (index, key) in keys.iter().enumerate() { @if index > 0 { " or " } kbd { (key) } } }
                        dd { (does) }
                    }
                }
                label class="choice" {
                    input type="checkbox" id="single-keys" aria-describedby="single-keys-hint" checked;
                    "Use the keys that need no Ctrl or \u{2318}"
                }
                p id="single-keys-hint" class="hint" {
                    "Switch them off where dictation or another aid presses them by mistake. This browser remembers it; "
                    "Ctrl K and \u{2318} K always work."
                }
                button type="submit" class="button" { "Close" }
            }
        }
    }
}
