//! End-to-end tests: golden trees through every door, real mounts, the command line, bad input.

mod bad_input;
mod command_line;
mod directory_parts;
mod extracting;
mod file_semantics;
mod file_users;
mod frugality;
mod fuzzed;
mod generated;
mod golden;
mod heavy;
mod hostile;
mod image_faults;
mod kernel_driver;
mod model;
mod mounts;
mod odd_sources;
mod panics;
mod places;
mod sandbox;
mod server_life;
mod views;
mod windows_view;
