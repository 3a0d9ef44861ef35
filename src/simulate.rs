//! `longshore simulate`

use longshore_simulator::salesforce::{self, Config, Simulator, Volume};

use crate::Exit;
use crate::arguments::{App, EventMonitoring, Org, Simulate};
use crate::terminal::{complain, print};

pub(crate) async fn run(command: &Simulate) -> Exit {
    let App::Salesforce(org) = &command.app;
    if !org.listen.ip().is_loopback() {
        complain(&format!(
            "error: {} is not a loopback address\n  cause: a simulated org accepts credentials that everybody knows\n  fix:   listen on 127.0.0.1 or [::1]",
            org.listen
        ));
        return Exit::Failed;
    }
    let config = config(org);
    let access = format!(
        "client id      {}\nclient secret  {}\nuser name      {}\npassword       {}\n",
        config.client_id, config.client_secret, config.username, config.password
    );
    let running = match Simulator::start(config, org.listen).await {
        Ok(running) => running,
        Err(error) => {
            complain(&format!(
                "error: no server could be started on {}\n  cause: {error}\n  fix:   choose another address with --listen",
                org.listen
            ));
            return Exit::Failed;
        }
    };
    print(&format!(
        "a simulated Salesforce org listens on {url}\n{access}what it holds: {url}/simulator/truth\n",
        url = running.url()
    ));
    // Without a signal handler there is only the end of the process to wait for.
    let _ = tokio::signal::ctrl_c().await;
    Exit::Done
}

fn config(org: &Org) -> Config {
    let mut volume = Volume { days: org.days, ..Volume::default() };
    if let Some(sign_ins) = org.sign_ins_per_day {
        volume.sign_ins_per_day = sign_ins;
    }
    Config {
        seed: org.seed,
        now: org.now,
        frozen: org.frozen,
        volume,
        daily_api_requests: org.daily_api_requests,
        api_requests_used: org.api_requests_used,
        event_monitoring: match org.event_monitoring {
            EventMonitoring::Hourly => salesforce::EventMonitoring::Hourly,
            EventMonitoring::Daily => salesforce::EventMonitoring::Daily,
            EventMonitoring::Free => salesforce::EventMonitoring::Free,
        },
        ..Config::default()
    }
}
