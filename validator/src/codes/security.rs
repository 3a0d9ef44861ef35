//! LS06: signing in and security.

codes! {
    OAUTH_REQUIRED = "LS0601" "oauth-required" Error "The app is not signed in to by OAuth.";
    NO_GRANT = "LS0602" "no-grant" Error "No OAuth grant is offered.";
    PKCE_OFF = "LS0603" "pkce-off" Warning "PKCE is turned off.";
    SECRET_EXPOSED = "LS0604" "secret-exposed" Error "A secret is used where it would be logged.";
    LITERAL_CREDENTIAL = "LS0605" "literal-credential" Error "A credential is written in the manifest, or asked for as plain text.";
    NOT_HTTPS = "LS0606" "not-https" Error "A URL is not a full https URL.";
    HOST_NOT_COVERED = "LS0607" "host-not-covered" Error "A host is not in `http.hosts`.";
    HOST_FROM_DATA = "LS0608" "host-from-data" Error "A host is made of data.";
    UNUSED_HOST = "LS0609" "unused-host" Warning "A host is declared that no URL has.";
    RELATIVE_PATH = "LS0610" "relative-path" Error "A request's path does not start with `/`.";
    BROAD_SCOPE = "LS0611" "broad-scope" Warning "A scope allows more than reading.";
    NO_REFRESH_TOKEN = "LS0612" "no-refresh-token" Warning "Nothing is said of a refresh token.";
    SCOPE_WITHOUT_REASON = "LS0613" "scope-without-reason" Warning "A scope is asked for without saying why.";
    CLIENT_SETTINGS = "LS0614" "client-settings" Error "A client cannot show who it is.";
    PASSWORD_GRANT = "LS0615" "password-grant" Warning "The app is given an account's password.";
    SIGN_IN_CHOICE = "LS0616" "sign-in-choice" Error "Choices and ways to sign in do not belong together.";
    UNSENT_CREDENTIAL = "LS0617" "unsent-credential" Error "A signature or session is made and not sent.";
    HALF_A_CERTIFICATE = "LS0618" "half-a-certificate" Error "A certificate has no private key, or a key no certificate.";
    UNUSED_TOKEN = "LS0619" "unused-token" Warning "What a sign-in gives is kept and never used.";
    UNVERIFIABLE_SIGNATURE = "LS0620" "unverifiable-signature" Error "What a signature is made with is never sent.";
    SIGNATURE_LEAVES_OUT = "LS0621" "signature-leaves-out" Warning "A signature leaves out what is sent with it.";
    KEY_ENCODING = "LS0622" "key-encoding" Error "A key is not written as it is read.";
    KEY_WITHOUT_BODY = "LS0623" "key-without-body" Error "A key goes into the body of a request that has none.";
}
