//! Describe calls: what objects and fields there are (REST API Developer Guide, "sObject
//! Describe").

use serde_json::{Map, Value, json};

use super::data::catalogue::{Entity, Field, Type};
use super::http::Reply;
use super::org::Org;

fn summary(entity: &Entity, version: &str) -> Map<String, Value> {
    let prefix: String = entity.prefix.iter().map(|byte| char::from(*byte)).collect();
    let base = format!("/services/data/{version}/sobjects/{}", entity.name);
    let mut map = Map::new();
    for (name, value) in [
        ("name", json!(entity.name)),
        ("label", json!(entity.label)),
        ("labelPlural", json!(entity.label)),
        ("keyPrefix", json!(prefix)),
        ("custom", json!(false)),
        ("queryable", json!(true)),
        ("retrieveable", json!(true)),
        ("createable", json!(false)),
        ("updateable", json!(false)),
        ("deletable", json!(false)),
        ("searchable", json!(false)),
        ("replicateable", json!(false)),
        (
            "urls",
            json!({"sobject": base, "describe": format!("{base}/describe"), "rowTemplate": format!("{base}/{{ID}}")}),
        ),
    ] {
        map.insert(name.to_owned(), value);
    }
    map
}

/// `GET /sobjects`
pub(crate) fn all(org: &Org, version: &str) -> Reply {
    let objects: Vec<Value> = org
        .catalogue
        .entities()
        .iter()
        .filter(|entity| !entity.object.tooling())
        .map(|entity| Value::Object(summary(entity, version)))
        .collect();
    Reply::json(200, &json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects}))
}

/// `GET /sobjects/X`
pub(crate) fn basic(entity: &Entity, version: &str) -> Reply {
    Reply::json(200, &json!({"objectDescribe": summary(entity, version), "recentItems": []}))
}

/// `GET /sobjects/X/describe`
pub(crate) fn whole(org: &Org, entity: &Entity, version: &str) -> Reply {
    let mut map = summary(entity, version);
    let fields = entity.fields.iter().map(|field| describe(org, field)).collect();
    map.insert("fields".to_owned(), Value::Array(fields));
    map.insert("childRelationships".to_owned(), json!([]));
    map.insert("recordTypeInfos".to_owned(), json!([]));
    Reply::json(200, &map)
}

fn describe(org: &Org, field: &Field) -> Value {
    let parent =
        field.parent.and_then(|(object, name)| Some((org.catalogue.of(object)?.name, name)));
    let length = match field.kind {
        Type::Id | Type::Reference => 18,
        Type::TextArea => 1333,
        Type::String | Type::Picklist | Type::Email => 255,
        _ => 0,
    };
    let soap = match field.kind {
        Type::Id | Type::Reference => "tns:ID",
        Type::DateTime => "xsd:dateTime",
        Type::Boolean => "xsd:boolean",
        Type::Int => "xsd:int",
        Type::Double => "xsd:double",
        Type::Base64 => "xsd:base64Binary",
        _ => "xsd:string",
    };
    json!({
        "name": field.name, "label": field.name, "type": field.kind.name(), "soapType": soap,
        "length": length, "byteLength": length * 3, "digits": 0, "precision": 0, "scale": 0,
        "filterable": field.filterable, "sortable": field.sortable, "groupable": field.groupable,
        "aggregatable": field.groupable,
        "nillable": !matches!(field.kind, Type::Id | Type::Boolean),
        "createable": false, "updateable": false, "custom": false, "calculated": false,
        "idLookup": field.kind == Type::Id, "unique": false, "externalId": false,
        "referenceTo": parent.iter().map(|(object, _)| *object).collect::<Vec<_>>(),
        "relationshipName": parent.map(|(_, name)| name),
        "picklistValues": [], "restrictedPicklist": false, "defaultValue": null,
    })
}
