//! `longshore connect`: the authorization code grant with a browser and a loopback callback
//! (RFC 8252, section 7.3).

use std::time::Duration;

use longshore_engine::clock::Clock;
use longshore_engine::error::{Code, Error, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use crate::Exit;
use crate::arguments::Connection;
use crate::check;
use crate::live::Live;
use crate::open::open;
use crate::terminal::complain;

/// How long the person in front of the browser may take.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) async fn run(command: &Connection) -> Exit {
    let live = Live::new();
    let runner = match open(&command.connection, None, Clock::system(), live.observer()) {
        Ok(runner) => runner,
        Err(error) => {
            complain(&format!("error: {error}"));
            return Exit::Failed;
        }
    };
    let Some(authenticator) = runner.session().authenticator() else {
        complain(
            "this app signs in with a key: there is nothing to connect; see `longshore check`",
        );
        return Exit::Done;
    };
    let connected = async {
        let request = authenticator.authorization_request()?;
        let redirect = Url::parse(&runner.plan().connection.redirect_url).map_err(|error| {
            Error::new(Code::InputInvalid, "`redirect_url` is not a URL").cause(error.to_string())
        })?;
        let listener = listen(&redirect).await?;
        complain(&format!(
            "Open this address, sign in and allow access:\n\n  {}\n\nWaiting for you at {redirect} ...",
            request.url.expose()
        ));
        let callback = tokio::time::timeout(PATIENCE, callback(&listener, &redirect))
            .await
            .map_err(|_| {
                Error::new(Code::AuthTimeout, "the sign-in was not completed")
                    .cause("the browser did not come back within 10 minutes")
                    .fix("start again")
            })??;
        authenticator.exchange(request, &callback).await
    };
    let outcome = tokio::select! {
        outcome = connected => outcome,
        _ = tokio::signal::ctrl_c() => return Exit::Interrupted,
    };
    if let Err(error) = outcome {
        complain(&format!("error: {error}"));
        return Exit::Findings;
    }
    complain("Signed in. What this connection can see:\n");
    check::report(&runner, command.format).await
}

async fn listen(redirect: &Url) -> Result<TcpListener> {
    let host = redirect.host_str().unwrap_or_default();
    let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    if !local || redirect.scheme() != "http" {
        return Err(Error::new(Code::InputInvalid, format!("{redirect} is not on this machine"))
            .cause("the browser has to come back to this program")
            .fix(
                "register http://localhost:8788/callback at the app, and use it as `redirect_url`",
            ));
    }
    let address = format!("{host}:{}", redirect.port().unwrap_or(80));
    TcpListener::bind(&address).await.map_err(|error| {
        Error::new(Code::InputInvalid, format!("nothing can listen on {address}"))
            .cause(error.to_string())
            .fix("end the program that uses the port, or register another callback address")
    })
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
