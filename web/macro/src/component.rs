//! `#[component]`: the function becomes a struct of its arguments, so that markup can name them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{FnArg, ItemFn, Pat};

/// The struct, and the function as its `drawn`.
pub fn expand(item: TokenStream) -> syn::Result<TokenStream> {
    let ItemFn { attrs, vis, sig, block, .. } = syn::parse2(item)?;
    let (name, gives) = (&sig.ident, &sig.output);
    let mut fields = Vec::new();
    let mut names = Vec::new();
    for argument in &sig.inputs {
        let FnArg::Typed(argument) = argument else {
            return Err(syn::Error::new(argument.span(), "a component has no self"));
        };
        let Pat::Ident(pattern) = argument.pat.as_ref() else {
            return Err(syn::Error::new(argument.span(), "a component's argument is a name"));
        };
        let (name, of) = (&pattern.ident, &argument.ty);
        fields.push(quote!(pub(crate) #name: #of));
        names.push(name);
    }
    Ok(quote! {
        #(#attrs)*
        #vis struct #name { #(#fields),* }
        impl #name {
            pub(crate) fn drawn(self) #gives {
                let #name { #(#names),* } = self;
                crate::dom::IntoMarkup::into_markup(::leptos::prelude::untrack(move || #block))
            }
        }
    })
}
