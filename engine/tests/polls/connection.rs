//! Connection files that are wrong: each says where, and repeats no value.

use longshore_engine::connection::ConnectionFile;
use longshore_engine::error::Error;
use longshore_validator::{Options, Profile, validate};

const MANIFEST: &str = include_str!("../../../tests/good/complete.yaml");

fn refused(text: &str) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("connection.yaml");
    std::fs::write(&path, text).unwrap();
    let manifest = validate(MANIFEST, &Options::new(Profile::Extended)).checked.unwrap();
    let result =
        ConnectionFile::read(&path).and_then(|(file, source)| file.connection(&source, &manifest));
    result.expect_err(text)
}

const GOOD: &str = "name: acme\nmanifest: m.yaml\ngrant: client_credentials\n";

/// A secret that stands in the wrong place, or is written the wrong way, is not shown.
#[test]
fn no_message_repeats_a_value() {
    let secret = "simulated-Secret9";
    for wrong in [
        format!("inputs: {secret}"),
        format!("inputs: {{ client_secret: [{secret}] }}"),
        format!("inputs: {{ client_secret: {{ {secret} }} }}"),
        format!("inputs: {{ client_secret: {{ vault: {secret} }} }}"),
        format!("inputs: {{ client_id: x, client_secret: {{ env: {secret} }} }}"),
        format!("inputs: {{ client_secret: x, login_host: {secret}/ }}"),
        format!("inputs: {{ client_secret: x, login_host: {secret} }}"),
        format!("inputs: {{ client_secret: x, client_id: id, site: z, backfill: {secret} }}"),
        format!("inputs: {{ client_secret: x, client_id: id, site: z, region: {secret} }}"),
        format!("inputs: {{ client_secret: \"{secret} }}"),
        format!("inputs: {{ client_id: x, client_secret: s, site: z }}\nconnect_to: {secret}"),
        format!("connect_to: [{secret}]"),
        format!("inputs: {{ client_id: x, client_secret: s, site: z }}\nredirect_url: {secret}"),
        format!("state: [{secret}]"),
        secret.to_owned(),
    ] {
        let text = format!("{GOOD}{wrong}\n");
        let error = refused(&text);
        let shown = format!("{error}\n{error:?}");
        assert!(!shown.to_lowercase().contains(&secret.to_lowercase()), "{text}: {shown}");
        assert!(error.what.contains("connection.yaml:"), "{text}: {error}");
        assert!(error.fix.is_some(), "{text}: {error}");
    }
    // Digits that YAML readers disagree about.
    let error = refused(&format!("{GOOD}inputs: {{ client_secret: 0123456789 }}\n"));
    assert!(!format!("{error:?}").contains("123456789"), "{error}");
}

/// Plain http goes to this machine only, and the file says where it is wrong.
#[test]
fn connect_to_is_a_loopback_address() {
    let good = "inputs: { client_id: x, client_secret: s, site: z, login_host: a.harbor.test }\n";
    for address in ["192.0.2.1:80", "localhost:80", "127.0.0.1", "[2001:db8::1]:80"] {
        let error = refused(&format!("{GOOD}{good}connect_to: \"{address}\"\n"));
        assert!(error.what.contains("connection.yaml:5:"), "{address}: {error}");
    }
}

/// A device that never ends is not read to its end.
#[cfg(unix)]
#[test]
fn an_input_file_has_a_limit() {
    let error = refused(&format!(
        "{GOOD}inputs: {{ client_id: x, client_secret: {{ file: /dev/zero }} }}\n"
    ));
    assert!(error.cause.as_deref().unwrap().contains("larger"), "{error}");
}
