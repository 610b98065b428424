//! What the end-to-end tests share: the corpus, golden manifests, trees as the program shows them.
//! May run other programs and touch scratch folders; holds no test itself.

pub mod autofs;
pub mod compare;
pub mod corpus;
pub mod drive;
pub mod faulty;
pub mod fuzz;
#[path = "../hostile/mod.rs"]
pub mod hostile;
pub mod hostile_words;
pub mod kernel_driver;
pub mod make;
pub mod manifest;
pub mod metadata;
pub mod mutate;
pub mod namespace;
pub mod probe;
pub mod program;
pub mod sample;
pub mod suite;
pub mod tree;
pub mod windows_discs;
