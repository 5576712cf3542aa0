//! llama.cpp's log: routed to `tracing`, its last errors kept for messages.
//!
//! Owns the callback, the short list of error lines and the one line that a caller waits for. A failed load returns only a null pointer,
//! so these lines are the only place where the reason stands.

use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, PoisonError};

use llama_cpp_sys_2::{
    GGML_LOG_LEVEL_ERROR, GGML_LOG_LEVEL_INFO, GGML_LOG_LEVEL_WARN, ggml_log_level,
};

/// More error lines than this say nothing new.
const MAX_ERRORS: usize = 8;

static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// A text to wait for, and the last line that holds it.
static KEPT: Mutex<Option<(&'static str, Option<String>)>> = Mutex::new(None);

/// Sends every later line of llama.cpp's log to `tracing`.
pub(super) fn route_to_tracing() {
    // SAFETY: The callback is a plain function that lives as long as the program and needs no user data.
    unsafe { llama_cpp_sys_2::llama_log_set(Some(receive), std::ptr::null_mut()) };
}

/// Takes the error lines since the last call, oldest first.
pub(super) fn take_errors() -> Vec<String> {
    std::mem::take(&mut ERRORS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The error lines in one line, or `otherwise` where llama.cpp gave none.
pub(super) fn reason_or(otherwise: &str) -> String {
    let errors = take_errors();
    if errors.is_empty() {
        otherwise.to_owned()
    } else {
        errors.join("; ")
    }
}

/// From now on keeps the last line that holds `mark`.
pub(super) fn keep_line_with(mark: &'static str) {
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = Some((mark, None));
}

/// The line that was kept; nothing is kept any more.
pub(super) fn kept_line() -> Option<String> {
    KEPT.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
        .and_then(|(_, line)| line)
}

fn keep(line: &str) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, last)) = kept.as_mut().filter(|(mark, _)| line.contains(mark)) {
        *last = Some(line.to_owned());
    }
}

unsafe extern "C" fn receive(level: ggml_log_level, text: *const c_char, _user_data: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a terminated string that lives until the callback returns.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let line = text.trim_end();
    match level {
        GGML_LOG_LEVEL_ERROR => {
            tracing::warn!(target: "llama.cpp", "{line}");
            let mut errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
            if errors.len() < MAX_ERRORS && !line.is_empty() {
                errors.push(line.to_owned());
            }
        }
        GGML_LOG_LEVEL_WARN => tracing::debug!(target: "llama.cpp", "{line}"),
        GGML_LOG_LEVEL_INFO => {
            keep(line);
            tracing::debug!(target: "llama.cpp", "{line}");
        }
        _ => tracing::trace!(target: "llama.cpp", "{line}"),
    }
}
