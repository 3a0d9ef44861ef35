//! Versions: they are raised as Semantic Versioning 2.0 has it.

use longshore_schema::scalar::Version;
use longshore_schema::yaml::Node;

use crate::changes::{Base, Change, Effect, changes, text_at, version_of};
use crate::codes;
use crate::diagnostic::{Diagnostic, Safety};

/// The most changes that one finding shows.
const MAX_SHOWN: usize = 6;

/// The version was raised enough since an earlier manifest. The tree is the one that was written.
pub(crate) fn raised(base: &Base, root: &Node) -> Vec<Diagnostic> {
    let (Some(id), Some(version)) = (root.entry("id"), version_of(root)) else {
        return Vec::new();
    };
    if text_at(root, "id") != Some(&base.id) {
        let message = format!("the connector was called `{}`", base.id);
        let help = format!("write `{}`; a connector of its own is compared with no other", base.id);
        return vec![Diagnostic::new(&codes::ID_CHANGED, id.value.span, message).help(help)];
    }
    let changes = changes(&base.root, root);
    let worst = changes.iter().map(|change| change.effect).max();
    let needed = worst.map_or(base.version, |effect| least(base.version, effect));
    if version >= needed {
        return Vec::new();
    }
    let span = root.entry("version").map_or(root.span, |entry| entry.value.span);
    let earlier = base.version;
    let (found, shown): (_, Vec<&Change>) = if version <= earlier {
        let message = if version == earlier {
            format!("the manifest was changed, and its version is still {earlier}")
        } else {
            format!("the version {version} is lower than the earlier {earlier}")
        };
        (Diagnostic::new(&codes::VERSION_NOT_RAISED, span, message), changes.iter().collect())
    } else {
        let what = match worst {
            Some(Effect::Break) => "a breaking change",
            _ => "an addition",
        };
        let message =
            format!("the version {version} is too small a step for {what} since {earlier}");
        let owed = changes.iter().filter(|change| least(earlier, change.effect) > version);
        (Diagnostic::new(&codes::VERSION_TOO_SMALL, span, message), owed.collect())
    };
    let more = match shown.len().saturating_sub(MAX_SHOWN) {
        0 => String::new(),
        more => format!("; {more} more changes are not shown"),
    };
    let help = format!("write {needed} or a higher version{more}");
    let title = format!("write `{needed}`");
    let found = found.help(help).fix(Safety::Unsafe, title, span, needed.to_string());
    vec![shown.into_iter().take(MAX_SHOWN).fold(found, |found, change| {
        let text = match change.effect {
            Effect::Break => format!("breaking: {}", change.text),
            Effect::Addition | Effect::Correction => change.text.clone(),
        };
        found.also(change.span, text)
    })]
}

/// The lowest version that a change may come with (Semantic Versioning 2.0, items 4 and 6 to 8).
/// Before 1.0.0 nothing is promised yet, so that a minor version may break.
fn least(earlier: Version, effect: Effect) -> Version {
    let Version { major, minor, patch } = earlier;
    match effect {
        Effect::Break if major > 0 => {
            Version { major: major.saturating_add(1), minor: 0, patch: 0 }
        }
        Effect::Break | Effect::Addition => {
            Version { major, minor: minor.saturating_add(1), patch: 0 }
        }
        Effect::Correction => Version { major, minor, patch: patch.saturating_add(1) },
    }
}
