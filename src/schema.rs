//! `longshore schema`

use crate::Exit;
use crate::arguments::Schema;
use crate::terminal::print;

pub(crate) fn run(command: &Schema) -> Exit {
    if command.report {
        print(&longshore_validator::json_schema_text());
    } else {
        print(longshore_schema::json_schema::PUBLISHED);
    }
    Exit::Done
}
