//! EROFS metadata as a worker that was taken over might send it: sound metadata with damage where
//! it matters. What becomes of it is asked of the verifier, and of the kernel where that accepts.

mod base;
mod chart;
mod damage;
mod hand;
mod harm;
mod run;
mod walk;

pub use base::{Base, generated, of_corpus};
pub use chart::Chart;
pub use damage::{Choices, damaged};
pub use harm::{HARM, harmful};
pub use run::{Outcome, run};
