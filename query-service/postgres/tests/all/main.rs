//! The PostgreSQL door over real connections: by hand, by psql, and by the drivers that people use. One program, so that the engine is
//! linked once.

mod clients;
mod common;
mod hostile;
mod protocol;
mod tools;
