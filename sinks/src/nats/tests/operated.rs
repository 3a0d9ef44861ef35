//! Who signs in with credentials.

use nkeys::KeyPair;

/// An operator, an account and a user whose keys live as long as the test.
pub(super) struct Operated {
    pub(super) configuration: String,
    pub(super) credentials: String,
}

impl Operated {
    pub(super) fn new() -> Self {
        let (operator, account, user) =
            (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
        let operator_token = token(&operator, &operator, r#""type":"operator","version":2"#);
        let limits = r#""limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1,"mem_storage":-1,"disk_storage":-1,"streams":-1,"consumer":-1},"type":"account","version":2"#;
        let account_token = token(&operator, &account, limits);
        let user_token = token(
            &account,
            &user,
            r#""pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"type":"user","version":2"#,
        );
        // JetStream needs an account for the system beside those of users.
        let system = KeyPair::new_account();
        let system_token = token(&operator, &system, limits_of_system());
        let configuration = format!(
            "operator: {operator_token}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n  {}: {account_token}\n  {}: {system_token}\n}}\n",
            system.public_key(),
            account.public_key(),
            system.public_key(),
        );
        let credentials = format!(
            "-----BEGIN NATS USER JWT-----\n{user_token}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed().unwrap()
        );
        Self { configuration, credentials }
    }
}

fn limits_of_system() -> &'static str {
    r#""limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1},"type":"account","version":2"#
}

/// A JSON Web Token as NATS has them, signed with an Ed25519 key.
fn token(issuer: &KeyPair, subject: &KeyPair, claims: &str) -> String {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = base64.encode(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let claims = base64.encode(format!(
        r#"{{"jti":"simulated","iat":1700000000,"iss":"{}","name":"simulated","sub":"{}","nats":{{{claims}}}}}"#,
        issuer.public_key(),
        subject.public_key()
    ));
    let signed = format!("{header}.{claims}");
    let signature = base64.encode(issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}
