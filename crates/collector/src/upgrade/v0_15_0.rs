//! 0.15.0: two arguments about metrics are gone.

use super::Draft;

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    let gone = ["new-metrics", "legacy-metrics"].map(|name| draft.take_argument(name));
    if gone.iter().any(Option::is_some) {
        draft.note("upgrade to v0.15.0 dropped the deprecated metrics arguments");
    }
    Ok(())
}
