//! `longshore validate`

use std::fmt::Write as _;
use std::path::Path;

use longshore_engine::error::Error;
use longshore_validator::changes::Base;
use longshore_validator::{
    Made, Options, Profile, Report, Safety, Severity, Validated, VerbCoverage, mend,
    render_concise, render_github, render_json, render_junit, render_sarif, render_text, todo_list,
    validate, validate_with_fixtures,
};

use crate::arguments::{Fixes, ReportFormat, Validate};
use crate::diff::unified;
use crate::manifests::{collect, not_read, not_written, read};
use crate::settings::{Finder, Settings};
use crate::summary::plural;
use crate::terminal::{colour, complain, fail, misused, print};
use crate::write::replace;
use crate::{Exit, fixtures, settings};

/// Looks at all manifests once.
pub(crate) fn run(command: &Validate) -> Exit {
    let finder = match (&command.config, command.no_config) {
        (Some(path), _) => match settings::read(path) {
            Ok(settings) => Finder::fixed(settings),
            Err(error) => return fail(&error),
        },
        (None, true) => Finder::fixed(Settings::default()),
        (None, false) => Finder::beside(),
    };
    let mut pass = Pass { command, finder, kept: Vec::new(), counts: Counts::default() };
    let paths = collect(&command.paths, &mut |error| pass.counts.unreadable(&error));
    if let Some(base) = command.base.as_ref().filter(|base| paths.len() > 1 && base.is_file()) {
        let (base, count) = (base.display(), paths.len());
        return misused(
            &format!("{base} is one manifest, and {count} are to be compared with it"),
            "name one manifest, or a folder that holds the earlier ones under the same paths",
        );
    }
    for path in paths {
        pass.look_at(&path);
    }
    pass.finish()
}

/// One look at all manifests.
struct Pass<'c> {
    command: &'c Validate,
    finder: Finder,
    /// What makes one document of all.
    kept: Vec<Validated>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    manifests: usize,
    errors: usize,
    warnings: usize,
    failed: bool,
    unreadable: bool,
    /// Whether a file would be changed.
    differ: bool,
}

impl Counts {
    fn unreadable(&mut self, error: &Error) {
        fail(error);
        self.unreadable = true;
    }
}

impl Pass<'_> {
    fn look_at(&mut self, path: &Path) {
        let command = self.command;
        let is_stdin = path.as_os_str() == "-";
        let counts = &mut self.counts;
        let (mut file, source) = match read(path) {
            Ok(read) => read,
            Err(error) => return counts.unreadable(&not_read(path, &error)),
        };
        let mut place = path;
        if let Some(name) = command.stdin_filename.as_ref().filter(|_| is_stdin) {
            file = name.display().to_string();
            place = name;
        }
        let settings = self.finder.find(place, &mut |error| counts.unreadable(&error));
        let Some(settings) = settings else { return };
        let extended = command.extended || settings.profile == Some(Profile::Extended);
        let base = match command.base.as_ref().map(|base| self.base(base, place)) {
            Some(Err(error)) => return self.counts.unreadable(&error),
            Some(Ok(base)) => base,
            None => None,
        };
        let counts = &mut self.counts;
        let options = Options {
            profile: if extended { Profile::Extended } else { Profile::Strict },
            severities: settings.severities.clone(),
            show_ignored: command.no_inline_ignores,
            base,
        };
        let fixtures = fixtures::beside(path, &mut |error| counts.unreadable(&error));
        let look = |source: &str| match &fixtures {
            Some(fixtures) => validate_with_fixtures(source, fixtures, &options),
            None => validate(source, &options),
        };
        let (source, report) = if command.fix.is_some() || command.diff {
            let safety = match command.fix {
                Some(Fixes::Unsafe) => Safety::Unsafe,
                _ => Safety::Safe,
            };
            let mended = mend(&source, safety, look);
            if command.diff {
                counts.differ |= mended.source != source;
                print(&unified(&file, &source, &mended.source));
            } else if is_stdin {
                print(&mended.source);
            } else if mended.source != source
                && let Err(error) = replace(path, &mended.source)
            {
                return counts.unreadable(&not_written(path, &error));
            }
            if !command.diff {
                tell(&file, &mended.made);
            }
            (mended.source, mended.report)
        } else {
            let report = look(&source);
            (source, report)
        };
        let deny = command.deny_warnings || settings.deny_warnings == Some(true);
        let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
        let failed = errors > 0 || deny && warnings > 0;
        counts.manifests += 1;
        counts.errors += errors;
        counts.warnings += warnings;
        counts.failed |= failed;
        let mut validated = Validated { file, source, report, failed };
        if command.quiet {
            leave(&mut validated.report, if deny { Severity::Warning } else { Severity::Error });
        }
        self.show(validated);
    }

    /// The earlier one of a manifest; a new one has none.
    fn base(&self, base: &Path, manifest: &Path) -> Result<Option<Base>, Error> {
        let earlier = crate::base::path(base, manifest)?;
        if earlier.is_none() && !self.command.quiet {
            let (file, base) = (manifest.display(), base.display());
            complain(&format!("{file} is new: {base} has none under this path"));
        }
        earlier.map(|path| crate::base::read(&path)).transpose()
    }

    /// Shows what was found, or keeps it for later.
    fn show(&mut self, validated: Validated) {
        if self.command.diff {
            return;
        }
        let Validated { file, source, report, .. } = &validated;
        let text = match self.command.format {
            ReportFormat::Text => {
                let nothing = report.diagnostics.is_empty() && report.fixtures.is_empty();
                if self.command.quiet && nothing {
                    return;
                }
                match todo_list(report, source).filter(|_| !self.command.quiet) {
                    Some(list) => list.to_text(file),
                    None => render_text(report, file, source, colour() && !self.aside()),
                }
            }
            ReportFormat::Concise => render_concise(report, file, source),
            ReportFormat::Github => render_github(&validated),
            ReportFormat::Json | ReportFormat::Sarif | ReportFormat::Junit => {
                self.kept.push(validated);
                return;
            }
        };
        self.write(&text);
        if self.command.verbs
            && let Some(text) = verbs(report, file)
        {
            self.write(&text);
        }
    }

    fn finish(self) -> Exit {
        let document = match self.command.format {
            _ if self.command.diff => None,
            ReportFormat::Json => Some(render_json(&self.kept)),
            ReportFormat::Junit => Some(render_junit(&self.kept)),
            ReportFormat::Sarif => {
                let here = std::env::current_dir().unwrap_or_default();
                Some(render_sarif(&self.kept, &here))
            }
            ReportFormat::Text | ReportFormat::Concise | ReportFormat::Github => None,
        };
        if let Some(document) = document {
            self.write(&document);
        }
        let Counts { manifests, errors, warnings, failed, unreadable, differ } = self.counts;
        let text = self.command.format == ReportFormat::Text;
        if text && manifests > 1 && !self.command.diff && !self.command.quiet {
            complain(&format!(
                "{} checked: {}, {}",
                plural(manifests, "manifest"),
                plural(errors, "error"),
                plural(warnings, "warning")
            ));
        }
        if unreadable {
            Exit::Failed
        } else if differ || failed {
            Exit::Findings
        } else {
            Exit::Done
        }
    }

    /// Whether a manifest itself goes to standard output, so that findings go elsewhere.
    fn aside(&self) -> bool {
        let from_stdin = || self.command.paths.iter().any(|path| path.as_os_str() == "-");
        self.command.fix.is_some() && !self.command.diff && from_stdin()
    }

    fn write(&self, text: &str) {
        if !self.aside() {
            print(text);
        } else if !text.is_empty() {
            complain(text.trim_end());
        }
    }
}

/// How many of the verbs that a manifest's capabilities are about are mapped, and which are not.
fn verbs(report: &Report, file: &str) -> Option<String> {
    let coverage = VerbCoverage::of(report.checked.as_deref()?)?;
    let mut text =
        format!("{file}: {} of {} verbs mapped\n", coverage.mapped.len(), coverage.total());
    if !coverage.missing.is_empty() {
        let _ = writeln!(text, "  not mapped: {}", coverage.missing.join(", "));
    }
    Some(text)
}

/// Takes out what is less bad.
fn leave(report: &mut Report, least: Severity) {
    report.diagnostics.retain(|diagnostic| diagnostic.severity <= least);
    for fixture in &mut report.fixtures {
        fixture.diagnostics.retain(|diagnostic| diagnostic.severity <= least);
    }
    report.fixtures.retain(|fixture| !fixture.diagnostics.is_empty());
}

/// Says which fixes were made.
fn tell(file: &str, made: &[Made]) {
    for Made { code, title, line, column } in made {
        complain(&format!("fixed {file}:{line}:{column}: {code}: {title}"));
    }
}
