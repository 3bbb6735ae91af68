//! What a program finds around itself: the variables that it was deployed with, and the wall clock. For the edges only: no domain code
//! asks for either.

mod clock;
mod variables;

pub use clock::{now, time_left};
pub use variables::{Faults, Variables, list};
