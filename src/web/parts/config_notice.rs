//! What a page says when an experiment's configuration is not to be had.

use maud::{Markup, html};

use crate::experiment_configs::ConfigError;
use crate::web::ui::{Tone, notice};

/// Why there is no configuration and what to do, and what that means for the page.
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
