//! Random events, made of what OCSF says and nothing of the sink.

use fastrand::Rng;
use longshore_validator::ocsf::{Attributes, Primitive, Type, table};
use serde_json::{Map, Value, json};

/// Events of several classes, one JSON object each. Those that have something no column takes have a
/// uid that begins with `odd-`.
pub(crate) fn events(seed: u64, count: usize) -> Vec<String> {
    let mut random = Rng::with_seed(seed);
    (0..count).map(|number| event(&mut random, &format!("{seed}-{number}"))).collect()
}

fn event(random: &mut Rng, uid: &str) -> String {
    let names = ["authentication", "api_activity", "compliance_finding", "user_inventory"];
    let class = table().class(names[random.usize(..names.len())]).unwrap();
    let mut event = attributes(random, &class.attributes, 0);
    event.insert("class_uid".into(), class.uid.into());
    event.insert("time".into(), random.i64(1_600_000_000_000..1_900_000_000_000).into());
    let mut metadata = match event.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        _ => Map::new(),
    };
    let is_odd = random.u8(..20) == 0;
    let uid = if is_odd { format!("odd-{uid}") } else { uid.to_owned() };
    metadata.insert("uid".into(), uid.into());
    event.insert("metadata".into(), metadata.into());
    if is_odd { odd(random, event) } else { Value::Object(event).to_string() }
}

/// The event with something that no column takes.
fn odd(random: &mut Rng, mut event: Map<String, Value>) -> String {
    let mut set = |name: &str, value: Value| {
        event.insert(name.into(), value);
        None
    };
    let text: Option<&str> = match random.u8(..14) {
        0 => set("class_uid", json!(99_001)).or(Some(r#""unknown_attribute":1"#)),
        1 => set("severity_id", json!(3.5)),
        2 => set("severity_id", json!(1_i64 << 40)),
        3 => set("severity_id", json!("high")),
        4 => set("time", json!("yesterday")),
        5 => set("time", json!(i64::MAX)),
        6 => set("message", json!(["a"])),
        7 => set("message", json!({ "a": [{}, null] })),
        8 => set("observables", json!([null, { "name": "a" }])),
        9 => set("observables", json!([{ "name": 1 }, 7, { "name": "b", "new": [1] }])),
        10 => set("unknown_attribute", json!({ "deep": [1, { "er": true }] })),
        11 => {
            event.remove("message");
            Some(r#""message":"broken \ud800""#)
        }
        12 => {
            event.remove("severity_id");
            Some(r#""severity_id":1,"severity_id":2"#)
        }
        _ => {
            event.remove("severity_id");
            Some(r#""severity_id":123456789012345678901234567890"#)
        }
    };
    let line = Value::Object(event).to_string();
    match text {
        None => line,
        Some(text) => format!("{{{text},{}", &line[1..]),
    }
}

fn attributes(random: &mut Rng, attributes: &Attributes, depth: usize) -> Map<String, Value> {
    let mut values = Map::new();
    let likely = if depth == 0 { 60 } else { 30 };
    for (name, attribute) in attributes.iter() {
        if random.u8(..100) >= likely {
            continue;
        }
        let length = if attribute.is_array { random.usize(..4) } else { 1 };
        let made = (0..length).map(|_| value(random, attribute.type_, depth)).collect::<Vec<_>>();
        let value =
            if attribute.is_array { Value::Array(made) } else { made.into_iter().next().unwrap() };
        values.insert(name.to_owned(), if random.u8(..40) == 0 { Value::Null } else { value });
    }
    values
}

fn value(random: &mut Rng, type_: Type, depth: usize) -> Value {
    match type_ {
        Type::Object(name) => {
            let object = table().object(name).unwrap();
            if object.is_free_form() {
                return json!({ "Über": [1.25, { "a": null }], "n": random.u64(..), "t": "\u{1}\"" });
            }
            if depth > 3 {
                json!({})
            } else {
                attributes(random, &object.attributes, depth + 1).into()
            }
        }
        Type::Primitive(primitive) => match primitive {
            Primitive::Boolean => random.bool().into(),
            Primitive::Integer | Primitive::Port => random.i32(..).into(),
            Primitive::Long => random.i64(..).into(),
            Primitive::Float => match random.u8(..3) {
                0 => json!(random.i32(..)),
                1 => json!(random.f64() * 180.0 - 90.0),
                _ => json!(f64::MIN_POSITIVE * random.f64()),
            },
            // The years 1 to 9999.
            Primitive::Timestamp => random.i64(-62_135_596_800_000..=253_402_300_799_999).into(),
            Primitive::Json => match random.u8(..3) {
                0 => json!([1, "a", { "b": null }]),
                1 => json!("a text"),
                _ => json!(17),
            },
            _ => text(random).into(),
        },
    }
}

fn text(random: &mut Rng) -> String {
    const PARTS: [&str; 8] =
        ["", "a", "null", "\u{0}", "\"\\\n", "ß中😀", "{}", "a longer text of no meaning"];
    (0..random.usize(..4)).map(|_| PARTS[random.usize(..PARTS.len())]).collect()
}
