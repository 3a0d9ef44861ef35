//! `longshore simulate`

use std::path::Path;

use longshore_engine::error::{Code, Error, Result};
use longshore_simulator::salesforce::{self, Config, Running, Simulator, Volume};

use crate::Exit;
use crate::arguments::{App, EventMonitoring, Org, Simulate};
use crate::terminal::{fail, print, stopped};

pub(crate) async fn run(command: &Simulate) -> Exit {
    let App::Salesforce(org) = &command.app;
    match start(org).await {
        Ok(_running) => {
            stopped().await;
            Exit::Done
        }
        Err(error) => fail(&error),
    }
}

async fn start(org: &Org) -> Result<Running> {
    if !org.listen.ip().is_loopback() {
        let what = format!("{} is not a loopback address", org.listen);
        return Err(Error::new(Code::InputInvalid, what)
            .cause("a simulated org accepts credentials that everybody knows")
            .fix("listen on 127.0.0.1 or [::1]"));
    }
    let config = config(org)?;
    let access = format!(
        "client id      {}\nclient secret  {}\nuser name      {}\npassword       {}\n",
        config.client_id, config.client_secret, config.username, config.password
    );
    let running = Simulator::start(config, org.listen).await.map_err(|error| {
        Error::new(Code::InputInvalid, format!("no server could be started on {}", org.listen))
            .cause(error.to_string())
            .fix("end the program that uses the address, or choose another with --listen")
    })?;
    print(&format!(
        "a simulated Salesforce org listens on {url}\n{access}what it holds: {url}/simulator/truth\n",
        url = running.url()
    ));
    Ok(running)
}

fn config(org: &Org) -> Result<Config> {
    Ok(Config {
        seed: org.seed,
        now: org.now,
        frozen: org.frozen,
        volume: Volume {
            days: org.days,
            sign_ins_per_day: org.sign_ins_per_day,
            ..Volume::default()
        },
        daily_api_requests: org.daily_api_requests,
        api_requests_used: org.api_requests_used,
        event_monitoring: match org.event_monitoring {
            EventMonitoring::Hourly => salesforce::EventMonitoring::Hourly,
            EventMonitoring::Daily => salesforce::EventMonitoring::Daily,
            EventMonitoring::Free => salesforce::EventMonitoring::Free,
        },
        refresh_token_rotation: org.refresh_token_rotation,
        jwt_public_key: org.jwt_public_key.as_deref().map(public_key).transpose()?,
        ..Config::default()
    })
}

fn public_key(path: &Path) -> Result<String> {
    let cause = match std::fs::read_to_string(path) {
        Ok(pem) if pem.contains("-----BEGIN PUBLIC KEY-----") => return Ok(pem),
        Ok(_) => "it has no line -----BEGIN PUBLIC KEY-----".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Error::new(Code::InputInvalid, format!("{} is not a public key", path.display()))
        .cause(cause)
        .fix("make one with: openssl rsa -in private.pem -pubout -out public.pem"))
}
