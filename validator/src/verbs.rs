//! Which of the canonical verbs a manifest tells.

use std::collections::BTreeSet;

use longshore_schema::Manifest;
use longshore_schema::map::{Activity, Map};
use longshore_schema::stream::Capability;
use longshore_schema::verb::Verb;

use crate::rules::sites::maps;

/// The verbs that a manifest's capabilities are about, by whether some record can become one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerbCoverage {
    /// Those that an event of some stream can stand for, in the dictionary's order. Verbs of the
    /// same class and activity are told together.
    pub mapped: Vec<&'static str>,
    /// The others.
    pub missing: Vec<&'static str>,
}

impl VerbCoverage {
    /// The coverage of a manifest; `None` if its capabilities are about no activities.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let streams = || manifest.streams.value.iter().map(|(_, stream)| stream);
        let expected: BTreeSet<_> =
            streams().flat_map(|stream| classes(stream.provides.value)).collect();
        let cases = streams().flat_map(maps).flat_map(Map::cases);
        let mut told: BTreeSet<(&str, &str)> = BTreeSet::new();
        for case in cases {
            let class = case.to.value.as_str();
            match &case.activity {
                Activity::Fixed(one) => drop(told.insert((class, one.value.as_str()))),
                Activity::Table(table) => {
                    told.extend(table.iter().map(|(_, one)| (class, one.value.as_str())));
                }
                Activity::From(from) => {
                    told.extend(from.when.iter().map(|(_, one)| (class, one.value.as_str())));
                    told.insert((class, from.otherwise.value.as_str()));
                }
            }
        }
        let of_interest = Verb::all().filter(|verb| expected.contains(&verb.class));
        let (mapped, missing): (Vec<Verb>, Vec<Verb>) =
            of_interest.partition(|verb| told.contains(&(verb.class, verb.activity)));
        let names = |verbs: Vec<Verb>| verbs.into_iter().map(|verb| verb.name).collect();
        (!expected.is_empty()).then(|| Self { mapped: names(mapped), missing: names(missing) })
    }

    /// How many verbs the capabilities are about.
    #[must_use]
    pub fn total(&self) -> usize {
        self.mapped.len() + self.missing.len()
    }
}

/// The classes of the activities that a capability is about; inventories are about none.
fn classes(capability: Capability) -> &'static [&'static str] {
    match capability {
        Capability::SignIns => &["authentication"],
        Capability::AdminActivity => &[
            "account_change",
            "user_access",
            "group_management",
            "entity_management",
            "application_lifecycle",
        ],
        Capability::UserActivity => {
            &["file_hosting", "web_resources_activity", "datastore_activity", "api_activity"]
        }
        Capability::Files => &["file_hosting"],
        Capability::Users
        | Capability::Groups
        | Capability::Privileges
        | Capability::OauthApps
        | Capability::Posture => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, validate};

    #[test]
    fn verbs_are_told_by_name_and_by_class_and_activity() {
        let source = include_str!("../../tests/good/composition.yaml");
        let report = validate(source, &Options::default());
        let coverage = VerbCoverage::of(&report.checked.unwrap()).unwrap();
        // `sign_in` by its class and activity, the others by their names.
        for verb in ["sign_in", "create_user", "open_file"] {
            assert!(coverage.mapped.contains(&verb), "{verb}");
        }
        // From the map of records that are gone.
        assert!(coverage.mapped.contains(&"delete_user"));
        assert!(coverage.missing.contains(&"upload_file"));
        assert_eq!(coverage.total(), Verb::all().count());
    }

    #[test]
    fn inventories_are_about_no_verbs() {
        let source = include_str!("../../tests/good/composition.yaml");
        let report = validate(source, &Options::default());
        let mut manifest = report.checked.unwrap().into_inner();
        manifest.streams.value.0.truncate(1);
        assert_eq!(VerbCoverage::of(&manifest), None);
    }
}
