//! A macro that tells the program which commit it is compiled from; each run records it.
//!
//! Owns how the answer gets into the program, `checkout.rs` how git is asked.
//! A macro and no build script: when such a script runs again, cargo compiles the whole library again, whatever the
//! script says. This macro is expanded in `src/main.rs` only, so a new commit compiles no more than that file.

mod checkout;

use std::fmt::Write as _;
use std::path::Path;

use proc_macro::TokenStream;

use checkout::Checkout;

/// The commit and whether the program's sources differ from it, as `(&'static str, bool)`; `("unknown", false)` outside
/// of a checkout.
///
/// Takes no arguments. The file that uses it is compiled again when another commit is checked out.
#[proc_macro]
pub fn checkout(_: TokenStream) -> TokenStream {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it for each compilation");
    let code = Checkout::of(Path::new(&folder)).map_or_else(
        || "(\"unknown\", false)".to_owned(),
        |checkout| expression(&checkout),
    );
    code.parse().expect("it is a block with literals in it")
}

/// A block that makes the compiler read the watched files, so that cargo compiles again when they change.
fn expression(checkout: &Checkout) -> String {
    let mut code = "{".to_owned();
    for path in &checkout.watched {
        write!(code, "const _: &[u8] = include_bytes!({path:?});")
            .expect("a string takes everything");
    }
    let Checkout {
        commit, is_dirty, ..
    } = checkout;
    write!(code, "({commit:?}, {is_dirty}) }}").expect("a string takes everything");
    code
}
