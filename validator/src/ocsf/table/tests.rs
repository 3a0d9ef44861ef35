use std::collections::BTreeSet;

use super::*;

fn owners() -> impl Iterator<Item = (&'static str, &'static Attributes, &'static Constraints)> {
    let classes = table().classes().map(|c| (c.name, &c.attributes, &c.constraints));
    classes.chain(table().objects().map(|o| (o.name, &o.attributes, &o.constraints)))
}

fn requirement(class: &str, attribute: &str) -> (Requirement, Option<Profile>) {
    let attribute = table().class(class).unwrap().attributes.get(attribute).unwrap();
    (attribute.requirement, attribute.profile)
}

#[test]
fn holds_the_classes_of_one_version() {
    let rows: Vec<_> = table()
        .classes()
        .map(|class| {
            let (uid, category) = (class.uid, class.category_uid);
            assert_eq!(uid / 1000, category, "{}", class.name);
            assert_eq!(table().class_by_uid(uid).unwrap().name, class.name);
            format!("{uid} {} ({}) {}", class.name, class.caption, class.attributes.iter().count())
        })
        .collect();
    assert_eq!(table().version(), "1.8.0");
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn every_type_resolves_and_every_object_is_reached() {
    let mut reached = BTreeSet::new();
    for (owner, attributes, _) in owners() {
        for (name, attribute) in attributes.iter() {
            match attribute.type_ {
                Type::Object(object) => {
                    assert!(table().object(object).is_some(), "{owner}.{name}: {object}");
                    reached.insert(object);
                }
                Type::Primitive(primitive) => {
                    assert!(table().primitive(primitive).is_some(), "{owner}.{name}");
                }
            }
        }
    }
    let objects: BTreeSet<_> = table().objects().map(|object| object.name).collect();
    assert_eq!(reached, objects);
}

#[test]
fn every_constraint_names_attributes() {
    let mut seen = 0;
    for (owner, attributes, constraints) in owners() {
        for name in constraints.at_least_one.iter().chain(&constraints.just_one) {
            assert!(attributes.get(name).is_some(), "{owner}: {name}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn every_caption_attribute_is_text_and_has_one_id() {
    for (owner, attributes, _) in owners() {
        let mut siblings = BTreeSet::new();
        for (name, attribute) in attributes.iter() {
            let Some(sibling) = attribute.sibling else { continue };
            assert!(siblings.insert(sibling), "{owner}.{sibling} has two ids");
            // OCSF 1.8.0 gives `observable` a `type_uid` whose `type_name` it does not have.
            if (owner, name) == ("observable", "type_uid") {
                continue;
            }
            let caption = attributes.get(sibling).expect(sibling);
            assert_eq!(caption.type_, Type::Primitive(Primitive::String), "{owner}.{sibling}");
            assert_eq!(caption.is_array, attribute.is_array, "{owner}.{sibling}");
            assert_eq!(attributes.id_of(sibling).unwrap().0, name);
        }
    }
}

#[test]
fn every_enum_is_sorted_with_distinct_captions_for_its_activities() {
    for (owner, attributes, _) in owners() {
        for (name, attribute) in attributes.iter() {
            let Some(ids) = &attribute.enum_ else { continue };
            let all: Vec<_> = ids.iter().collect();
            assert!(all.is_sorted_by(|a, b| a.0 < b.0), "{owner}.{name}");
            for (id, caption) in all {
                assert_eq!(ids.caption(id), Some(caption), "{owner}.{name}");
            }
        }
    }
    for class in table().classes() {
        for (id, caption) in class.activities() {
            assert_eq!(class.activity_id(caption), Some(id), "{}", class.name);
        }
        assert_eq!(class.activity_id("Unknown"), Some(0), "{}", class.name);
        assert_eq!(class.activity_id("Other"), Some(99), "{}", class.name);
    }
}

#[test]
fn an_attribute_of_a_profile_that_a_class_declares_is_its_own() {
    use Requirement::{Optional, Recommended, Required};
    for class in ["api_activity", "datastore_activity", "file_hosting"] {
        assert_eq!(requirement(class, "actor"), (Required, None), "{class}");
        assert_eq!(requirement(class, "src_endpoint"), (Required, None), "{class}");
    }
    assert_eq!(requirement("api_activity", "api"), (Required, None));
    assert_eq!(requirement("file_hosting", "file"), (Required, None));
    assert_eq!(requirement("file_hosting", "api"), (Optional, Some(Profile::Cloud)));
    assert_eq!(requirement("account_change", "actor"), (Recommended, None));
    assert_eq!(requirement("account_change", "cloud"), (Required, Some(Profile::Cloud)));
    assert_eq!(requirement("detection_finding", "risk_level_id"), (Optional, None));
    assert_eq!(requirement("authentication", "device"), (Recommended, Some(Profile::Host)));
}

#[test]
fn an_object_has_its_nearest_constraints() {
    let at_least_one = |object: &str| &table().object(object).unwrap().constraints.at_least_one;
    assert!(at_least_one("network_endpoint").contains(&"ip"));
    assert!(at_least_one("network_proxy").contains(&"svc_name"));
    assert!(at_least_one("managed_entity").contains(&"policy"));
    assert!(at_least_one("file").is_empty());
    assert_eq!(at_least_one("group"), &["name", "uid"]);
}

#[test]
fn describes_an_attribute() {
    let user = table().object("user").unwrap();
    let kind = user.attributes.get("type_id").unwrap();
    assert_eq!(kind.enum_.as_ref().unwrap().id("Admin"), Some(&EnumId::Integer(2)));
    assert_eq!(kind.enum_.as_ref().unwrap().id("admin"), None);
    assert_eq!(user.attributes.id_of("type").unwrap().0, "type_id");
    assert_eq!(user.attributes.id_of("type_id").map(|(name, _)| name), None);
    assert_eq!(user.attributes.get("email_addr").unwrap().observable, Some(5));

    let class = table().class("authentication").unwrap();
    assert_eq!(class.activity_id("Logon"), Some(1));
    assert_eq!(class.attributes.id_of("activity_name").unwrap().0, "activity_id");
    assert_eq!(class.attributes.get("user").unwrap().observable, Some(21));
    let method = table().object("http_request").unwrap().attributes.get("http_method").unwrap();
    let ids = method.enum_.as_ref().unwrap();
    assert_eq!(ids.id("Get"), Some(&EnumId::Text("GET")));
}

#[test]
fn every_primitive_has_one_name() {
    for primitive in Primitive::ALL {
        assert_eq!(Primitive::from_name(primitive.name()), Some(*primitive));
    }
    assert_eq!(Primitive::from_name("user"), None);
}

#[test]
fn verbs_stand_for_classes_and_activities_that_there_are() {
    for verb in longshore_schema::verb::Verb::all() {
        let class = table().class(verb.class).unwrap_or_else(|| panic!("{}", verb.class));
        let named = class.activities().any(|(_, caption)| caption == verb.activity);
        assert!(named, "{}: {} has no {}", verb.name, verb.class, verb.activity);
    }
}
