use longshore_schema::yaml::parse_values;

use super::{Effect, changes};

const GITHUB: &str = include_str!("../../../manifests/github/manifest.yaml");
const SALESFORCE: &str = include_str!("../../../manifests/salesforce/manifest.yaml");

/// What is found after one text of a manifest was replaced: effect, line, text.
fn after(source: &str, old: &str, new: &str) -> Vec<(Effect, String, String)> {
    assert_eq!(source.matches(old).count(), 1, "{old}");
    let later = source.replace(old, new);
    let (old, new) = (parse_values(source).unwrap().root, parse_values(&later).unwrap().root);
    let found = changes(&old, &new);
    found
        .into_iter()
        .map(|change| {
            let start = later[..change.span.start as usize].rfind('\n').map_or(0, |at| at + 1);
            let line = later[start..].lines().next().unwrap_or_default();
            (change.effect, line.trim().to_owned(), change.text)
        })
        .collect()
}

const BASE: &str = "\
id: acme
version: 1.0.0
profiles: [threat_protection, posture]
inputs:
  key: { type: string, title: Key }
  region: { type: choice, title: Region, choices: [eu, us] }
auth:
  oauth2:
    grants:
      client_credentials: {}
      authorization_code:
        scopes:
          read: To read.
http:
  hosts: [api.acme.test]
  timeout: 60s # long
errors:
  - when: { status: 401 }
    then: refresh
  - when: { status: 403 }
    then: stop
facts:
  one: { found: 1 }
  two: { found: 2 }
streams:
  users:
    provides: users
    key: $.id
    map:
      by: $.kind
      cases:
        - is: a
          to: user_inventory
          user.uid: $.id
        - is: [b, c]
          to: entity_management
          user.uid: $.id
      else:
        to: base_event
  log:
    provides: sign_ins
    key: [$.id]
    window: { on: $.time }
    map: { to: authentication, activity: Logon }
posture:
  checks:
    mfa: { title: MFA }
actions:
  suspend:
    does: suspend_account
    inputs:
      user: { type: string, title: User }
";

fn worst(old: &str, new: &str) -> (Effect, String, String) {
    after(BASE, old, new).first().cloned().unwrap_or((
        Effect::Correction,
        String::new(),
        String::new(),
    ))
}

#[test]
fn form_is_no_change() {
    for (old, new) in [
        ("version: 1.0.0", "version: 9.9.9"),
        (" # long", ""),
        ("timeout: 60s", "timeout: \"60s\""),
        ("key: $.id\n", "key: [$.id]\n"),
        ("key: [$.id]", "key: $.id"),
        ("is: a", "is: [a]"),
        ("{ type: string, title: Key }", "{ title: Key, type: string }"),
    ] {
        assert_eq!(after(BASE, old, new), [], "{new}");
    }
}

#[test]
fn what_breaks_is_told_from_what_adds_and_what_corrects() {
    use Effect::{Addition, Break, Correction};
    let cases = [
        ("  log:", "  logs:", Break, "streams:", "the stream `log` was removed"),
        ("provides: users", "provides: groups", Break, "", "`streams.users.provides` was changed"),
        (", posture]", "]", Break, "profiles:", "the profile `posture` was removed"),
        ("    mfa:", "    2fa:", Break, "checks:", "the check `mfa` was removed"),
        ("  suspend:", "  stop:", Break, "actions:", "the action `suspend` was removed"),
        (
            "inputs:\n  key:",
            "inputs:\n  a: { type: string }\n  key:",
            Break,
            "a:",
            "the input `a` must be given now",
        ),
        (
            "title: Key }",
            "title: Key, default: a }",
            Correction,
            "key:",
            "`inputs.key.default` was added",
        ),
        (
            "inputs:\n  key:",
            "inputs:\n  a: { type: string, default: b }\n  key:",
            Addition,
            "a:",
            "the input `a` was added",
        ),
        (
            "  key: { type: string, title: Key }\n",
            "",
            Break,
            "inputs:",
            "the input `key` was removed",
        ),
        (
            "string, title: Key",
            "secret, title: Key",
            Break,
            "key:",
            "`inputs.key.type` was changed",
        ),
        ("[eu, us]", "[eu]", Break, "region:", "`inputs.region.choices.us` was removed"),
        ("[eu, us]", "[eu, us, ap]", Correction, "region:", "`inputs.region.choices.ap` was added"),
        ("[eu, us]", "[us, eu]", Correction, "region:", "`inputs.region.choices` was changed"),
        (
            "      client_credentials: {}\n",
            "",
            Break,
            "grants:",
            "the grant `client_credentials` was removed",
        ),
        (
            "read: To read.",
            "read: To read.\n          write: To write.",
            Break,
            "write:",
            "the scope `write` was added: admins must consent again",
        ),
        (
            "        scopes:\n          read: To read.\n",
            "        pkce: S256\n",
            Correction,
            "authorization_code:",
            "the scope `read` was removed",
        ),
        (
            "client_credentials: {}",
            "client_credentials: {}\n      jwt_bearer: { scopes: { all: To see. } }",
            Addition,
            "jwt_bearer:",
            "the grant `jwt_bearer` was added",
        ),
        (
            "[api.acme.test]",
            "[api.acme.test, b.acme.test]",
            Break,
            "hosts:",
            "the host `b.acme.test` was added",
        ),
        ("60s", "90s", Correction, "timeout:", "`http.timeout` was changed"),
        (
            "key: $.id\n",
            "key: $.uid\n",
            Break,
            "key:",
            "`streams.users.key` was changed: events get other uids",
        ),
        (
            "on: $.time",
            "on: $.at",
            Break,
            "window:",
            "`streams.log.window.on` was changed: events get other uids",
        ),
        (
            "    window: { on: $.time }\n",
            "",
            Break,
            "log:",
            "`streams.log.window` was removed: events get other uids",
        ),
        (
            "to: authentication",
            "to: account_change",
            Break,
            "map:",
            "the class was `authentication`",
        ),
        ("is: [b, c]", "is: [b]", Break, "map:", "the case `c` was removed"),
        (
            "is: [b, c]",
            "is: [b, c, d]",
            Correction,
            "- is:",
            "`streams.users.map.cases.is.d` was added",
        ),
        ("to: base_event", "to: api_activity", Break, "to:", "the class was `base_event`"),
        (
            "- is: a\n",
            "- is: d\n          to: x\n        - is: a\n",
            Addition,
            "- is: d",
            "a case was added",
        ),
        (
            "to: base_event",
            "to: base_event\n        message: $.text",
            Addition,
            "message:",
            "the attribute `message` was added",
        ),
        (
            "user: { type",
            "who: { type: string }\n      user: { type",
            Break,
            "who:",
            "the input `who` was added",
        ),
        ("then: stop", "then: skip", Correction, "then:", "`errors.then` was changed"),
        (
            "errors:\n",
            "errors:\n  - when: { status: 404 }\n    then: skip\n",
            Addition,
            "- when: { status: 404",
            "an error rule was added",
        ),
        (
            "  one: { found: 1 }\n  two: { found: 2 }\n",
            "  two: { found: 2 }\n  one: { found: 1 }\n",
            Correction,
            "facts:",
            "`facts` was changed",
        ),
    ];
    for (old, new, effect, line, text) in cases {
        let (found, at, said) = worst(old, new);
        assert_eq!((found, said.as_str()), (effect, text), "{new}");
        assert!(at.contains(line), "{new}: at {at}");
    }
}

#[test]
fn a_change_is_named_once() {
    let found = after(BASE, "status: 403", "status: 404");
    assert_eq!(found.len(), 1, "{found:?}");
    let found = after(BASE, "key: $.id\n", "key: $.uid\n");
    assert_eq!(found.len(), 1, "{found:?}");
    let found = after(BASE, "posture:\n  checks:\n    mfa: { title: MFA }\n", "");
    let texts: Vec<_> = found.iter().map(|(effect, _, text)| (*effect, text.as_str())).collect();
    assert_eq!(texts, [(Effect::Break, "the check `mfa` was removed")]);
}

#[test]
fn an_input_is_needed_where_one_could_sign_in_without_it() {
    let only = "inputs:\n  a: { type: string, grants: jwt_bearer }\n  key:";
    assert_eq!(worst("inputs:\n  key:", only).0, Effect::Addition);
    let only = only.replace("jwt_bearer", "client_credentials");
    assert_eq!(worst("inputs:\n  key:", &only).0, Effect::Break);
}

#[test]
fn manifests_do_not_differ_from_themselves() {
    for source in [GITHUB, SALESFORCE] {
        let root = parse_values(source).unwrap().root;
        assert_eq!(changes(&root, &root), []);
    }
}

/// A list as long as a manifest can be takes no longer than reading it.
#[test]
fn long_lists_are_compared_in_one_pass() {
    let list = |from: usize| {
        let items: Vec<_> = (from..from + 40_000).map(|at| format!("    - w{at}\n")).collect();
        let items = items.concat();
        format!("id: a\nversion: 1.0.0\nhttp:\n  hosts:\n{items}")
    };
    let (old, new) = (parse_values(&list(0)).unwrap(), parse_values(&list(20_000)).unwrap());
    let started = std::time::Instant::now();
    let found = changes(&old.root, &new.root);
    assert_eq!(found.len(), 40_000);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
