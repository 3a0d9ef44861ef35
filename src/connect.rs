//! `longshore connect`: the authorization code grant with a browser and a loopback callback
//! (RFC 8252, section 7.3), and the device code grant with a code to enter (RFC 8628).

use std::net::SocketAddr;
use std::time::Duration;

use longshore_engine::auth::Authenticator;
use longshore_engine::clock::Clock;
use longshore_engine::connection::DEFAULT_REDIRECT_URL;
use longshore_engine::error::{Code, Error, Result};
use longshore_schema::manifest::GrantKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use crate::Exit;
use crate::arguments::Connection;
use crate::check;
use crate::live::Live;
use crate::open::{open, unless_interrupted};
use crate::summary;
use crate::terminal::{complain, fail};

/// How long the person in front of the browser may take.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) async fn run(command: &Connection) -> Exit {
    let live = Live::new();
    let runner = match open(&command.connection, None, Clock::system(), live.observer()) {
        Ok(runner) => runner,
        Err(error) => return fail(&error),
    };
    let connection = &runner.plan().connection;
    let connected = match (runner.session().authenticator(), connection.grant) {
        (Some(authenticator), Some(GrantKind::AuthorizationCode)) => {
            unless_interrupted(&runner, in_browser(authenticator, connection)).await
        }
        (Some(authenticator), Some(GrantKind::DeviceCode)) => {
            unless_interrupted(&runner, with_code(authenticator)).await
        }
        (_, grant) => {
            let how = grant.map_or("its inputs".to_owned(), |grant| format!("`{grant}`"));
            complain(&format!(
                "{} signs in with {how}, which needs no browser: there is nothing to connect\nsee what it can read with: longshore check {}",
                connection.name,
                command.connection.display()
            ));
            return Exit::Done;
        }
    };
    match connected {
        None => return Exit::Interrupted,
        Some(Err(error)) => return summary::complain_about([&error]),
        Some(Ok(())) => {}
    }
    complain("Signed in. What this connection can see:\n");
    check::report(&runner, &live, command.format).await
}

/// Signs in with a browser on this machine.
async fn in_browser(
    authenticator: &Authenticator,
    connection: &longshore_engine::connection::Connection,
) -> Result<()> {
    let (listener, redirect) = listen(&connection.redirect_url)
        .await
        .map_err(|error| error.in_connection(&connection.name))?;
    let request = authenticator.authorization_request()?;
    let address = page(request.url.expose(), connection.connect_to);
    complain(&format!(
        "Open this address, sign in and allow access:\n\n  {address}\n\nWaiting for you at {redirect} ..."
    ));
    let callback =
        tokio::time::timeout(PATIENCE, callback(&listener, &redirect)).await.map_err(|_| {
            Error::new(Code::AuthTimeout, "the sign-in was not completed")
                .cause("the browser did not come back within 10 minutes")
                .fix("start again")
        })??;
    authenticator.exchange(request, &callback).await.map(drop)
}

/// Signs in with a code that is entered at the app, with a browser anywhere.
async fn with_code(authenticator: &Authenticator) -> Result<()> {
    let request = authenticator.device_authorization().await?;
    let short = request.page_with_code.as_ref();
    let short = short.map_or(String::new(), |page| format!("\n(or open {page})\n"));
    complain(&format!(
        "Open this address with any browser, sign in and enter the code:\n\n  {}\n\n  {}\n{short}\nWaiting until {:.0} ...",
        request.page, request.user_code, request.expires_at
    ));
    authenticator.wait_for_device(request).await.map(drop)
}

/// The sign-in page as a browser reaches it: at the app, or where the connection's requests go
/// instead of there.
fn page(url: &str, connect_to: Option<SocketAddr>) -> String {
    let Some((address, url)) = connect_to.zip(Url::parse(url).ok()) else { return url.to_owned() };
    let query = url.query().unwrap_or_default();
    format!("http://{address}{}?{query}", url.path())
}

async fn listen(redirect_url: &str) -> Result<(TcpListener, Url)> {
    let local = |url: &Url| {
        let host = url.host_str().unwrap_or_default();
        url.scheme() == "http" && matches!(host, "localhost" | "127.0.0.1" | "[::1]")
    };
    let Some(redirect) = Url::parse(redirect_url).ok().filter(local) else {
        let what = format!("`redirect_url` is not an address on this machine: {redirect_url}");
        return Err(Error::new(Code::InputInvalid, what)
            .cause("the browser has to come back to this program")
            .fix(format!(
                "register {DEFAULT_REDIRECT_URL} at the app, and remove `redirect_url`"
            )));
    };
    let host = redirect.host_str().unwrap_or_default();
    let address = format!("{host}:{}", redirect.port().unwrap_or(80));
    let listener = TcpListener::bind(&address).await.map_err(|error| {
        Error::new(Code::InputInvalid, format!("nothing can listen on {address}"))
            .cause(error.to_string())
            .fix("end the program that uses the port, or register another callback address and name it as `redirect_url`")
    })?;
    Ok((listener, redirect))
}

/// Waits for the browser to come back, and says goodbye to it.
async fn callback(listener: &TcpListener, redirect: &Url) -> Result<Url> {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let mut request = vec![0; 16 << 10];
        let mut length = 0;
        // The first line is all that is needed, and a browser sends it at once.
        while length < request.len() && !request[..length].contains(&b'\n') {
            let read =
                tokio::time::timeout(Duration::from_secs(5), stream.read(&mut request[length..]));
            match read.await {
                Ok(Ok(read)) if read > 0 => length += read,
                _ => break,
            }
        }
        let line = String::from_utf8_lossy(&request[..length]);
        let target = line.split_whitespace().nth(1).and_then(|path| redirect.join(path).ok());
        let ours =
            target.filter(|target| target.path() == redirect.path() && target.query().is_some());
        let (status, text) = match &ours {
            Some(_) => ("200 OK", "You can close this page and go back to the terminal."),
            None => ("404 Not Found", "There is nothing here."),
        };
        let page = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        // If the browser is gone already, it did not want to read this.
        let _ = stream.write_all(page.as_bytes()).await;
        if let Some(callback) = ours {
            return Ok(callback);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_shows_its_own_sign_in_page() {
        let url = "https://login.example.com/authorize?state=a&scope=b+c";
        assert_eq!(page(url, None), url);
        assert_eq!(
            page(url, Some(([127, 0, 0, 1], 8080).into())),
            "http://127.0.0.1:8080/authorize?state=a&scope=b+c"
        );
    }
}
