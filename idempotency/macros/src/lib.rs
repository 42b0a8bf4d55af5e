//! The attribute `handler`, re-exported by `headgate-idempotency`, where it is described.

mod arguments;
mod expand;

use proc_macro::TokenStream;

/// Makes an async function a handler whose recorded effects happen once for each key.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
