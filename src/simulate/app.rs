//! `longshore simulate MANIFEST`: the app of any manifest, on this machine.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use longshore_conformance::Subject;
use longshore_engine::error::{Code, Error, Result};
use longshore_simulator::generic::{App, Misdeed, Model, Running, Settings, Time, Weather};

use crate::Exit;
use crate::arguments::Simulated;
use crate::terminal::{complain, fail, print, stopped};

pub(super) async fn run(command: &Simulated) -> Exit {
    let Some(manifest) = &command.manifest else { return Exit::Usage };
    let subject = match Subject::read(manifest) {
        Ok(subject) => subject,
        Err(error) => {
            complain(&format!("error: {error}"));
            return Exit::Failed;
        }
    };
    match start(command, &subject, manifest).await {
        Ok((app, _running)) => {
            stopped().await;
            print(&seen(&app));
            Exit::Done
        }
        Err(error) => fail(&error),
    }
}

async fn start(
    command: &Simulated,
    subject: &Subject,
    manifest: &Path,
) -> Result<(Arc<App>, Running)> {
    super::only_here(command.listen)?;
    let model = chosen(command, subject)?;
    let days = SignedDuration::from_hours(i64::from(command.days) * 24);
    let now = Timestamp::now();
    let faults = command.faults.iter().copied().collect();
    let settings = Settings {
        seed: command.seed,
        from: now - days,
        until: now + days,
        records: command.records,
        faults,
    };
    let app = App::new(Arc::clone(&model), &settings, Time::system());
    let weather = Weather { chance: command.chance, faults: settings.faults };
    app.begin(weather, 0.0, |_| {});
    let running = app.serve(command.listen).await;
    let running = running.map_err(|error| super::taken(command.listen, &error))?;
    let address = running.address();
    let path = std::path::absolute(manifest).unwrap_or_else(|_| manifest.to_owned());
    let connection = model.connection(&path.display().to_string(), address);
    let what = match &command.connection {
        None => connection,
        Some(path) => {
            std::fs::write(path, connection).map_err(|error| {
                let what = format!("{} could not be written", path.display());
                Error::new(Code::InputInvalid, what)
                    .cause(error.to_string())
                    .fix("name a file in a folder that you may write to")
            })?;
            format!("read it with: longshore run {}\n", path.display())
        }
    };
    print(&format!("a simulated {} listens on http://{address}\n{what}", subject.app));
    Ok((app, running))
}

/// The app with the sign-in that was asked for.
fn chosen(command: &Simulated, subject: &Subject) -> Result<Arc<Model>> {
    let models = subject.models();
    let fits = |model: &&Arc<Model>| command.grant.is_none() || model.way().grant == command.grant;
    models.iter().find(fits).cloned().ok_or_else(|| {
        let grants = models.iter().filter_map(|model| model.way().grant);
        let mut grants: Vec<_> = grants.map(|grant| grant.to_string()).collect();
        grants.dedup();
        let fix = match grants.as_slice() {
            [] => "leave --grant away: the app is not signed in to by OAuth".to_owned(),
            grants => format!("it offers {}", grants.join(", ")),
        };
        let grant = command.grant.map(|grant| grant.to_string()).unwrap_or_default();
        let what = format!("{} cannot be signed in to by {grant}", subject.app);
        Error::new(Code::InputInvalid, what).cause("its manifest does not offer it").fix(fix)
    })
}

/// What came of it.
fn seen(app: &App) -> String {
    let witness = app.witness();
    let mut text = format!("{} requests", witness.requests);
    for (fault, count) in &witness.faults {
        let _ = write!(text, "; {fault} {count}");
    }
    text.push('\n');
    let names = [
        (Misdeed::Reserve, "spent what was left to others"),
        (Misdeed::Impatience, "came before the time that `Retry-After` named"),
        (Misdeed::Unknown, "asked for something that the manifest does not declare"),
    ];
    for (misdeed, name) in names {
        let count = witness.count(misdeed);
        if count > 0 {
            let _ = writeln!(text, "{count} requests {name}");
        }
    }
    for (_, what) in &witness.misdeeds {
        let _ = writeln!(text, "  {what}");
    }
    text
}
