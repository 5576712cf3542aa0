//! `seep quantize`: the process in which llama.cpp's quantizer runs, hidden from the help.
//!
//! Owns what keeps such a process from outliving the one that started it. The quantizer cannot be stopped, and it
//! aborts where memory is short; here that ends nothing else. Names, checks and the record are `deriving`'s.

use std::io::Read as _;
use std::thread;

use super::Status;
use super::output::print;
use crate::cli::QuantizeArgs;
use crate::gguf::imatrix::{Importance, read_imatrix};
use crate::gguf::tensor_type::file_type_id;
use crate::gguf::{Gguf, check_generation_model};
use crate::llama::{self, Backend, QuantizeJob};

/// The exit code of a process whose parent is gone.
const PARENT_GONE: i32 = 3;

/// Makes one file of another, or prints how many bytes of tensors it would have.
pub(super) fn quantize(args: &QuantizeArgs) -> anyhow::Result<Status> {
    end_with_parent();
    check_generation_model(&Gguf::read(&args.input)?)?;
    let file_type = file_type_id(&args.to)
        .ok_or_else(|| anyhow::anyhow!("no quantization is called `{}`", args.to))?;
    let imatrix: Vec<(String, Vec<f32>)> = match &args.imatrix {
        Some(path) => read_imatrix(path)?.into_iter().map(entry).collect(),
        None => Vec::new(),
    };
    let backend = Backend::init()?;
    let job = QuantizeJob {
        input: &args.input,
        output: &args.output,
        file_type,
        allow_requantize: args.allow_requantize,
        imatrix: &imatrix,
        n_threads: args.threads,
    };
    if args.dry_run {
        print(&format!("{}\n", llama::quantized_bytes(&backend, &job)?))?;
    } else {
        llama::quantize(&backend, &job)?;
    }
    Ok(Status::Done)
}

fn entry(importance: Importance) -> (String, Vec<f32>) {
    (importance.tensor, importance.values)
}

/// Ends the process when the other end of stdin is closed, as it is when the parent ends, however it ends.
fn end_with_parent() {
    thread::spawn(|| {
        let mut byte = [0];
        while matches!(std::io::stdin().read(&mut byte), Ok(1)) {}
        std::process::exit(PARENT_GONE);
    });
}
