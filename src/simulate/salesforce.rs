//! `longshore simulate salesforce`

use std::path::Path;

use longshore_engine::error::{Code, Error, Result};
use longshore_simulator::salesforce::{self, Config, Running, Simulator, Volume};

use crate::Exit;
use crate::arguments::{EventMonitoring, Org};
use crate::terminal::{fail, print, stopped};

pub(super) async fn run(org: &Org) -> Exit {
    match start(org).await {
        Ok(_running) => {
            stopped().await;
            Exit::Done
        }
        Err(error) => fail(&error),
    }
}

async fn start(org: &Org) -> Result<Running> {
    super::only_here(org.listen)?;
    let config = config(org)?;
    let access = format!(
        "client id      {}\nclient secret  {}\nuser name      {}\npassword       {}\n",
        config.client_id, config.client_secret, config.username, config.password
    );
    let started = Simulator::start(config, org.listen).await;
    let running = started.map_err(|error| super::taken(org.listen, &error))?;
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
