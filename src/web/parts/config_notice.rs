//! The notice of a page that lacks the experiment's configuration.

use maud::{Markup, html};

use crate::experiment_configs::ConfigError;
use crate::web::ui::{Tone, notice};

/// Why the configuration is missing or invalid; `meaning` says what that means for the page.
pub(crate) fn config_notice(cause: &ConfigError, meaning: &str) -> Markup {
    let key = match cause {
        ConfigError::Missing { .. } => "config-missing",
        ConfigError::Invalid { .. } | ConfigError::Unreadable { .. } => "config-invalid",
    };
    notice(
        Tone::Warn,
        &html! {
            div data-fault=(key) {
                @match cause {
                    ConfigError::Invalid { file, faults } => {
                        p { "The configuration " code { (file.display()) } " is not good:" }
                        ul { @for fault in faults.iter() { li { (fault) } } }
                    }
                    other => { p { "The task store does not tell this experiment's configuration, and " (other) "." } }
                }
                p { (meaning) " A file that changes is noticed by itself." }
            }
        },
    )
}
