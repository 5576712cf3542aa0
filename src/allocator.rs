//! The allocator of the program, and giving freed memory back.
//!
//! Owns the choice of mimalloc; llama.cpp's C++ parts keep to the system's allocator, which is why memory that was freed
//! here has to be given back before they need as much.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives memory that was freed back to the system; worth it after something large is gone for good, such as tokenizers.
pub(crate) fn give_back() {
    // SAFETY: The function takes no pointer and may be called at any time from any thread.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
