//! llama.cpp's quantizer: a model file made from another one.
//!
//! Owns the call and the size it announces beforehand. The quantizer can neither be stopped nor kept from aborting
//! when memory is short, so a caller who minds runs it in a process of its own. Names and places are not its business.

use std::ffi::CString;
use std::path::Path;

use super::{Backend, LlamaError, log};
use llama_cpp_sys_2::{llama_model_imatrix_data, llama_model_quantize};

/// Begins the number of MiB in the line with which the quantizer announces the size of its result.
const SIZE_MARK: &str = "quant size";
const MIB: f64 = 1024.0 * 1024.0;

/// One job of the quantizer.
#[derive(Debug, Clone, Copy)]
pub struct QuantizeJob<'a> {
    /// A model file that passed `gguf::check_generation_model`; of a split one the first part.
    pub input: &'a Path,
    /// Where the result is written; a file there is overwritten.
    pub output: &'a Path,
    /// `general.file_type` of the result.
    pub file_type: u32,
    /// True if weights that are quantized already may be quantized again.
    pub allow_requantize: bool,
    /// The importance of the columns of tensors, by the tensor's name; finite numbers only.
    pub imatrix: &'a [(String, Vec<f32>)],
    /// Threads that compute; the result does not depend on it.
    pub n_threads: u32,
}

/// Makes the file `output`; when it fails, a part of it may be there.
///
/// # Errors
/// `Quantize` with the reason from llama.cpp's log.
pub fn quantize(_backend: &Backend, job: &QuantizeJob<'_>) -> Result<(), LlamaError> {
    call(job, false)
}

/// The bytes of all tensors that [`quantize`] would write, to within 6 KB; nothing is written.
///
/// # Errors
/// As [`quantize`].
pub fn quantized_bytes(_backend: &Backend, job: &QuantizeJob<'_>) -> Result<u64, LlamaError> {
    log::keep_line_with(SIZE_MARK);
    call(job, true)?;
    let line = log::kept_line().unwrap_or_default();
    announced_bytes(&line).ok_or_else(|| LlamaError::Quantize {
        path: job.input.to_owned(),
        reason: format!("it announced no size: {line:?}"),
    })
}

/// The size in a line such as `llama_model_quantize_impl: quant size  =   644.97 MiB (3.36 BPW)`.
fn announced_bytes(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(SIZE_MARK)?;
    let mib: f64 = rest
        .trim_start_matches([' ', '='])
        .split(' ')
        .next()?
        .parse()
        .ok()?;
    Some((mib * MIB).round() as u64)
}

fn call(job: &QuantizeJob<'_>, dry_run: bool) -> Result<(), LlamaError> {
    let error = |reason: String| LlamaError::Quantize {
        path: job.input.to_owned(),
        reason,
    };
    let terminated =
        |text: &[u8]| CString::new(text).map_err(|_| error("a name holds a zero byte".to_owned()));
    let input = terminated(job.input.as_os_str().as_encoded_bytes())?;
    let output = terminated(job.output.as_os_str().as_encoded_bytes())?;
    let names = job
        .imatrix
        .iter()
        .map(|(name, _)| terminated(name.as_bytes()));
    let names = names.collect::<Result<Vec<CString>, _>>()?;
    let imatrix = imatrix_entries(&names, job.imatrix);
    // SAFETY: The function takes nothing and returns a plain struct.
    let mut params = unsafe { llama_cpp_sys_2::llama_model_quantize_default_params() };
    params.nthread = i32::try_from(job.n_threads).unwrap_or(i32::MAX);
    params.ftype = job.file_type;
    params.allow_requantize = job.allow_requantize;
    params.quantize_output_tensor = true;
    params.pure_ = false;
    params.keep_split = false;
    params.dry_run = dry_run;
    if !job.imatrix.is_empty() {
        params.imatrix = imatrix.as_ptr();
    }
    log::take_errors();
    // SAFETY: Both names are terminated; `params` points to `imatrix`, which ends with a null name, and all of them
    // live until the call returns. C++ exceptions are caught inside.
    let status =
        unsafe { llama_model_quantize(input.as_ptr(), output.as_ptr(), &raw const params) };
    match status {
        0 => Ok(()),
        _ => Err(error(log::reason_or("it gave no reason"))),
    }
}

/// The entries as llama.cpp takes them, ended by one without a name.
fn imatrix_entries(
    names: &[CString],
    imatrix: &[(String, Vec<f32>)],
) -> Vec<llama_model_imatrix_data> {
    let entries = names.iter().zip(imatrix);
    let entries = entries.map(|(name, (_, values))| llama_model_imatrix_data {
        name: name.as_ptr(),
        data: values.as_ptr(),
        size: values.len(),
    });
    let end = llama_model_imatrix_data {
        name: std::ptr::null(),
        data: std::ptr::null(),
        size: 0,
    };
    entries.chain([end]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_size_is_read() {
        let line = "llama_model_quantize_impl: quant size  =   644.97 MiB (3.36 BPW)";
        assert_eq!(announced_bytes(line), Some(676_300_063));
        assert_eq!(announced_bytes("quant size = ? MiB"), None);
        assert_eq!(announced_bytes("model size = 1.00 MiB"), None);
    }
}
