//! How a program ends.

use std::error::Error;
use std::process::ExitCode;

/// Success, or exit code 1 and the error in one line on standard error.
pub fn exit_code(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
