//! Servers that play a SaaS app, for tests, demos and manifest authors.
