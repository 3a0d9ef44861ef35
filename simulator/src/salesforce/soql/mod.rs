//! SOQL: enough of it to answer what connectors ask, and to refuse what Salesforce refuses
//! (SOQL and SOSL Reference).

mod ast;
mod eval;
mod lexer;
mod parser;
mod plan;

pub(crate) use eval::{Group, Outcome, run};
pub(crate) use parser::parse;
pub(crate) use plan::{Output, Plan, Select, plan};
