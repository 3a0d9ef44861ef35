//! `longshore schema`

use crate::Exit;
use crate::terminal::print;

pub(crate) fn run() -> Exit {
    print(longshore_schema::json_schema::PUBLISHED);
    Exit::Done
}
