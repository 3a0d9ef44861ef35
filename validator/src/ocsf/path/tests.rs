use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn resolve(class: &str, path: &str) -> Result<Resolved<'static>, PathError> {
    table().class(class).unwrap().resolve(path)
}

#[test]
fn follows_objects() {
    let city = resolve("authentication", "src_endpoint.location.city").unwrap();
    let names: Vec<_> = city.segments().iter().map(|s| (s.name, s.offset)).collect();
    assert_eq!(names, [("src_endpoint", 0), ("location", 13), ("city", 22)]);
    assert_eq!(city.attribute().unwrap().type_, Type::Primitive(Primitive::String));
    assert!(!city.is_whole_array());
}

#[test]
fn follows_one_element_of_an_array() {
    for (path, index) in
        [("resources[0].name", 0), ("resources[].name", 0), ("resources[99].name", 99)]
    {
        let name = resolve("api_activity", path).unwrap();
        assert_eq!(name.segments()[0].index, Some(index), "{path}");
        assert_eq!(name.last().name, "name");
    }
    assert!(resolve("api_activity", "resources").unwrap().is_whole_array());
    assert!(!resolve("api_activity", "resources[1]").unwrap().is_whole_array());
}

#[test]
fn takes_any_key_below_a_free_form_attribute() {
    let below = resolve("authentication", "unmapped.Login Geo.Id[3]").unwrap();
    assert_eq!(below.free_form(), ["Login Geo", "Id[3]"]);
    assert!(below.attribute().is_none());
    assert!(resolve("authentication", "unmapped").unwrap().attribute().is_some());
    let data = resolve("api_activity", "resources[0].data.sharing").unwrap();
    assert_eq!(data.last().name, "data");
    assert_eq!(data.free_form(), ["sharing"]);
}

#[test]
fn finds_the_id_beside_a_caption() {
    let id = |path| resolve("compliance_finding", path).unwrap().id().map(|(name, _)| name);
    assert_eq!(id("status"), Some("status_id"));
    assert_eq!(id("compliance.status"), Some("status_id"));
    assert_eq!(id("activity_name"), Some("activity_id"));
    assert_eq!(id("message"), None);
    assert_eq!(id("unmapped.status"), None);
}

#[test]
fn says_why_a_path_leads_nowhere() {
    let paths = [
        "usr.name",
        "user.email",
        "user.Name",
        "user.quantum",
        "time_dt",
        "src_endpoint.location.cty",
        "time.seconds",
        "src_endpoint.ip.v4",
        "user.groups.name",
        "user.groups[first].name",
        "user.groups[100].name",
        "user.groups[0",
        "user[0].name",
        "status[]",
        "",
        "user..name",
        ".user",
        "user.",
        "unmapped..x",
        "[0].name",
    ];
    let mut text = String::new();
    for path in paths {
        let error = resolve("authentication", path).unwrap_err();
        assert!(path[error.offset..].starts_with(&error.segment), "{path}: {error:?}");
        writeln!(text, "{path}\n  at {} in {}: {error}", error.offset, error.owner).unwrap();
    }
    insta::assert_snapshot!(text);
}

proptest! {
    #[test]
    fn never_panics_and_always_points_into_the_path(path in "[a-z_\\[\\]0-9.é]{0,40}") {
        if let Err(error) = resolve("authentication", &path) {
            prop_assert!(path[error.offset..].starts_with(&error.segment));
        }
    }

    #[test]
    fn every_attribute_of_an_object_is_found_below_it(pick in 0..10_000usize) {
        let user = table().object("user").unwrap();
        let names: Vec<_> = user.attributes.iter().map(|(name, _)| name).collect();
        let name = names[pick % names.len()];
        let found = resolve("authentication", &format!("user.{name}")).unwrap();
        prop_assert_eq!(found.last().name, name);
    }
}
